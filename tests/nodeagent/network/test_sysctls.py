from pathlib import Path

from nodeagent.network.sysctls import ensure_sysctls


async def test_settings_that_differ_are_written_and_those_that_are_missing_named(tmp_path: Path) -> None:
    (tmp_path / "net/bridge").mkdir(parents=True)
    (tmp_path / "net/a").write_text("0\n")
    (tmp_path / "net/b").write_text("1\n")
    (tmp_path / "net/b").chmod(0o400)
    problems = await ensure_sysctls(tmp_path, {"net/a": "1", "net/b": "1", "net/c": "1"})
    assert (tmp_path / "net/a").read_text() == "1"
    assert (tmp_path / "net/b").read_text() == "1\n"
    assert problems == {"net/c": "No such file or directory"}
