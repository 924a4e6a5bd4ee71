"""Logs as `kubectl logs` asks for them."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.logs.lines import LogOptions, epoch, parse
from nodeagent.logs.reader import read_log


def record(number: int, text: str, *, stream: str = "stdout", tag: str = "F") -> bytes:
    return f"2026-01-02T03:04:{number:02d}.000000001Z {stream} {tag} {text}\n".encode()


async def read(file: Path, options: LogOptions | None = None, *, alive: bool = False) -> bytes:
    return b"".join([chunk async for chunk in read_log(file, options or LogOptions(), lambda: alive)])


async def collect(file: Path, options: LogOptions, alive: Callable[[], bool], chunks: list[bytes]) -> None:
    async for chunk in read_log(file, options, alive):
        chunks.append(chunk)  # noqa: PERF401 - looked at while it grows


def put(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def put_aside(file: Path, stamp: str) -> None:
    file.rename(file.with_name(f"{file.name}.{stamp}"))


def rotate(file: Path, stamp: str, fresh: bytes) -> None:
    put_aside(file, stamp)
    file.write_bytes(fresh)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "0.log"
    file.write_bytes(b"".join(record(n, f"line {n}", stream="stderr" if n % 2 else "stdout") for n in range(10)))
    return file


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        pytest.param(LogOptions(), range(10), id="all"),
        pytest.param(LogOptions(tail=3), range(7, 10), id="tail"),
        pytest.param(LogOptions(tail=0), [], id="tail 0"),
        pytest.param(LogOptions(tail=99), range(10), id="tail longer than the log"),
        pytest.param(LogOptions(since=epoch(b"2026-01-02T03:04:06Z")), range(6, 10), id="since"),
        pytest.param(LogOptions(stream="stderr"), [1, 3, 5, 7, 9], id="one stream"),
    ],
)
async def test_what_was_asked_for(log: Path, options: LogOptions, numbers: list[int]) -> None:
    assert await read(log, options) == b"".join(b"line %d\n" % n for n in numbers)


async def test_bytes_are_cut_exactly(log: Path) -> None:
    assert await read(log, LogOptions(limit_bytes=10)) == b"line 0\nlin"


async def test_times_stand_before_lines(log: Path) -> None:
    assert await read(log, LogOptions(tail=1, timestamps=True)) == b"2026-01-02T03:04:09.000000001Z line 9\n"


async def test_a_long_line_cut_by_the_runtime_is_one_line_again(tmp_path: Path) -> None:
    file = tmp_path / "0.log"
    put(file, record(1, "aaa", tag="P") + record(1, "other", stream="stderr") + record(2, "bbb"))
    assert await read(file, LogOptions(stream="stdout", timestamps=True)) == b"2026-01-02T03:04:01.000000001Z aaabbb\n"


async def test_a_tail_reaches_back_into_rotated_files(log: Path) -> None:
    rotate(log, "20260102-030410.000000", record(11, "new"))
    assert await read(log, LogOptions(tail=2)) == b"line 9\nnew\n"
    assert (await read(log)).count(b"\n") == 11


@pytest.mark.parametrize("follow", [False, True])
async def test_nothing_is_lost_while_a_log_is_put_aside(log: Path, follow: bool) -> None:
    rotate(log, "20260102-030410", record(10, "line 10"))
    put_aside(log, "20260102-030411")
    assert await read(log, LogOptions(follow=follow)) == b"".join(b"line %d\n" % n for n in range(11))


async def test_a_log_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert await read(tmp_path / "0.log") == b""
    assert await read(tmp_path / "0.log", LogOptions(follow=True)) == b""


async def test_following_ends_with_the_container_and_after_its_last_line(log: Path) -> None:
    alive = True
    chunks: list[bytes] = []

    follower = asyncio.ensure_future(collect(log, LogOptions(follow=True, tail=1), lambda: alive, chunks))
    await asyncio.sleep(0.1)
    with log.open("ab") as stream:
        stream.write(record(10, "late"))
        stream.write(record(11, "half")[:20])
    await asyncio.sleep(0.2)
    assert b"".join(chunks) == b"line 9\nlate\n"
    with log.open("ab") as stream:
        stream.write(record(11, "half")[20:])
    alive = False
    await asyncio.wait_for(follower, 5)
    assert b"".join(chunks) == b"line 9\nlate\nhalf\n"


async def test_following_goes_on_over_several_rotations_at_once(log: Path) -> None:
    alive = True
    chunks: list[bytes] = []

    follower = asyncio.ensure_future(collect(log, LogOptions(follow=True, tail=0), lambda: alive, chunks))
    await asyncio.sleep(0.1)
    for n in range(3):
        with log.open("ab") as stream:
            stream.write(record(20 + n, f"turn {n}"))
        rotate(log, f"2026010{n}", b"" if n < 2 else record(30, "end"))
    await asyncio.sleep(0.7)
    alive = False
    await asyncio.wait_for(follower, 5)
    assert b"".join(chunks) == b"turn 0\nturn 1\nturn 2\nend\n"


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (b"1970-01-01T00:00:01Z", 1.0),
        (b"1970-01-01T00:00:01.5Z", 1.5),
        (b"1970-01-01T02:00:01.250000000+02:00", 1.25),
        (b"nonsense", 0.0),
    ],
)
def test_times_of_records(time: bytes, seconds: float) -> None:
    assert epoch(time) == seconds


@given(st.binary(max_size=100))
def test_no_bytes_upset_the_parser(noise: bytes) -> None:
    line = parse(noise)
    assert line is None or line.text in noise
