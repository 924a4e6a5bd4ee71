"""Attaching to a container that is over before one hears it."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import State
from nodeagent.server import missed
from nodeagent.server.streams import STDERR, STDOUT, Wanted
from tests.nodeagent.pods.objects import ran

BOTH = Wanted(stdin=True, stdout=True, stderr=True, tty=False)
LOG = """\
2026-01-02T03:04:05.000000006Z stdout F hello
2026-01-02T03:04:05.000000007Z stderr F trouble
2026-01-02T03:04:05.000000008Z stdout F bye
"""


def container(state: State, started_at: float = 100.0) -> Ran:
    return dataclasses.replace(ran("main"), state=state, started_at=started_at)


async def heard(folder: Path, *seen: Ran | None, attached_at: float = 100.5, wanted: Wanted = BOTH) -> dict[int, bytes]:
    """What comes of it; `seen`: the container each time somebody looks, the last one for ever."""
    file = folder / "0.log"
    file.write_text(LOG)
    looks = list(seen)
    got: dict[int, bytes] = {}
    async for channel, payload in missed.words(
        wanted, attached_at, file, lambda: looks.pop(0) if len(looks) > 1 else looks[0]
    ):
        got[channel] = got.get(channel, b"") + payload
    return got


async def test_log_of_a_command_that_ended_at_once_is_told(tmp_path: Path) -> None:
    running, ended = container(State.RUNNING), container(State.EXITED)
    assert await heard(tmp_path, running, running, ended) == {STDOUT: b"hello\nbye\n", STDERR: b"trouble\n"}


async def test_only_what_was_asked_for_is_told(tmp_path: Path) -> None:
    terminal = dataclasses.replace(BOTH, tty=True)
    assert set(await heard(tmp_path, container(State.EXITED), wanted=terminal)) == {STDOUT}


async def test_one_that_ran_for_long_was_silent_by_itself(tmp_path: Path) -> None:
    assert await heard(tmp_path, container(State.EXITED), attached_at=200.0) == {}


async def test_one_that_is_gone_says_nothing(tmp_path: Path) -> None:
    assert await heard(tmp_path, container(State.RUNNING), None) == {}


async def test_one_that_goes_on_is_not_waited_for_forever(tmp_path: Path) -> None:
    async with asyncio.timeout(10):
        assert await heard(tmp_path, container(State.RUNNING)) == {}
