"""What a container said before somebody attached to it, where it ended before he heard a word.

An attached stream begins with the moment of attaching. A command that is over within milliseconds (`kubectl run --rm
-i`) has often said all by then: its stream is silent and ends well, and the client, which looks into the log only when
attaching fails, shows nothing. The runtime cannot tell this from a command that had nothing to say; the log can.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import State
from nodeagent.logs.lines import LogOptions
from nodeagent.logs.reader import read_log
from nodeagent.server import streams

JUST_STARTED = 10.0
"""Seconds since a container's start within which somebody who attaches means to see all of it."""
# How often, and how long apart, it is looked whether the end has been noticed: three seconds in all.
_LOOKS, _STEP = 60, 0.05


async def words(
    wanted: streams.Wanted, attached_at: float, file: Path, look: Callable[[], Ran | None]
) -> AsyncIterator[tuple[int, bytes]]:
    """By channel. `look` gives the container as last seen; nothing comes of one that goes on, or is not new."""
    ran = look()
    if ran is None or not ran.started_at or attached_at - ran.started_at > JUST_STARTED:
        return
    for _ in range(_LOOKS):
        ran = look()
        if ran is None or ran.state is State.EXITED:
            break
        await asyncio.sleep(_STEP)
    if ran is None or ran.state is not State.EXITED:
        return
    chosen = [(streams.STDOUT, "stdout")] if wanted.stdout else []
    chosen += [(streams.STDERR, "stderr")] if wanted.stderr and not wanted.tty else []
    for channel, name in chosen:
        async for chunk in read_log(file, LogOptions(stream=name), _over):
            for start in range(0, len(chunk), streams.CHUNK):
                yield channel, chunk[start : start + streams.CHUNK]


def _over() -> bool:
    return False
