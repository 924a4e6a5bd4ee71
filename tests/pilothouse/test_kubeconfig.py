from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pilothouse.main import cli

OURS = {
    "current-context": "pilothouse",
    "clusters": [{"name": "pilothouse", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "users": [{"name": "pilothouse-admin", "user": {}}],
    "contexts": [{"name": "pilothouse", "context": {"cluster": "pilothouse", "user": "pilothouse-admin"}}],
}
THEIRS = {
    "current-context": "work",
    "clusters": [
        {"name": "work", "cluster": {"server": "https://work"}},
        {"name": "pilothouse", "cluster": {"server": "https://old"}},
    ],
    "users": [{"name": "me", "user": {"token": "secret"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "preferences": {"colors": True},
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "kubeconfig").write_text(yaml.safe_dump(OURS))
    return folder


def run(data_dir: Path, *words: str, target: Path | None = None):
    environment = {"KUBECONFIG": str(target)} if target else {}
    return CliRunner().invoke(cli, ["--data-dir", str(data_dir), "kubeconfig", *words], env=environment)


def test_kubeconfig_is_printed_as_the_engine_wrote_it(data_dir: Path):
    assert run(data_dir).stdout == (data_dir / "kubeconfig").read_text()


def test_merge_adds_ours_keeps_theirs_and_leaves_a_backup(data_dir: Path, tmp_path: Path):
    target = tmp_path / "config"
    target.write_text(yaml.safe_dump(THEIRS))
    assert run(data_dir, "--merge", target=target).exit_code == 0
    merged = yaml.safe_load(target.read_text())
    assert merged["current-context"] == "work"
    assert merged["preferences"] == {"colors": True}
    assert {c["name"]: c["cluster"]["server"] for c in merged["clusters"]} == {
        "work": "https://work",
        "pilothouse": "https://127.0.0.1:6443",
    }
    assert yaml.safe_load((tmp_path / "config.bak").read_text()) == THEIRS
    assert target.stat().st_mode & 0o777 == 0o600


def test_merge_into_nothing_makes_ours_the_current_context(data_dir: Path, tmp_path: Path):
    target = tmp_path / "new" / "config"
    assert run(data_dir, "--merge", target=target).exit_code == 0
    assert yaml.safe_load(target.read_text())["current-context"] == "pilothouse"


def test_merge_into_what_is_no_kubeconfig_changes_nothing(data_dir: Path, tmp_path: Path):
    target = tmp_path / "config"
    target.write_text("- a list\n")
    answer = run(data_dir, "--merge", target=target)
    assert answer.exit_code == 1
    assert "is not a kubeconfig; nothing was changed" in answer.output
    assert target.read_text() == "- a list\n"


def test_without_an_engine_it_says_how_to_start_one(tmp_path: Path):
    answer = run(tmp_path)
    assert answer.exit_code == 1
    assert "pilothouse engine start" in answer.output
