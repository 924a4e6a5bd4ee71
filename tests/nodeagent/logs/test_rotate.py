"""What becomes of logs that have grown too large, on a real disk with a runtime that only reopens."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from nodeagent.cri.errors import RuntimeFailure
from nodeagent.logs.rotate import Limits, rotate

LIMITS = Limits(max_size=10, max_files=4)


class Reopening:
    """As much of a runtime as rotation asks of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.fails = False

    async def reopen_log(self, container_id: str) -> None:
        if self.fails:
            raise RuntimeFailure(f"{container_id} is gone", "NotFound")
        self.file.touch()


@pytest.fixture
def runtime(tmp_path: Path) -> Reopening:
    return Reopening(tmp_path / "0.log")


async def turn(runtime: Reopening, text: str, now: float) -> bool:
    runtime.file.write_text(text)
    return await rotate(runtime, "c1", runtime.file, LIMITS, now)  # pyright: ignore[reportArgumentType]


def names(runtime: Reopening) -> list[str]:
    return sorted(file.name for file in runtime.file.parent.iterdir())


async def test_a_small_log_stays(runtime: Reopening) -> None:
    assert not await turn(runtime, "short", 1000.0)
    assert names(runtime) == ["0.log"]


async def test_all_but_the_newest_put_aside_are_compressed_and_the_oldest_go(runtime: Reopening) -> None:
    for number in range(5):
        assert await turn(runtime, f"log number {number}\n", 1000.0 + 60 * number)
    kept = names(runtime)
    assert [name.removeprefix("0.log.19700101-") for name in kept] == [
        "0.log", "001840.000000.gz", "001940.000000.gz", "002040.000000",
    ]  # fmt: skip
    assert gzip.decompress((runtime.file.parent / kept[1]).read_bytes()) == b"log number 2\n"
    assert (runtime.file.parent / kept[3]).read_text() == "log number 4\n"


async def test_logs_of_the_last_moments_stay_readable_for_who_follows(runtime: Reopening) -> None:
    for number in range(3):
        await turn(runtime, f"log number {number}\n", 1000.0 + number)
    assert not any(name.endswith(".gz") for name in names(runtime))


async def test_what_a_crash_left_half_compressed_is_made_anew(runtime: Reopening) -> None:
    await turn(runtime, "log number 0\n", 1000.0)
    scrap = runtime.file.with_name("0.log.19700101-001640.000000.gz.tmp")
    scrap.write_text("half")
    await turn(runtime, "log number 1\n", 1060.0)
    assert names(runtime) == ["0.log", "0.log.19700101-001640.000000.gz", "0.log.19700101-001740.000000"]


async def test_a_log_that_is_not_reopened_keeps_its_name(runtime: Reopening) -> None:
    runtime.fails = True
    assert not await turn(runtime, "log number 0\n", 1000.0)
    assert names(runtime) == ["0.log"]
