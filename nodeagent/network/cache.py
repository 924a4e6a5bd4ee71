"""What the agent knew when it last ran, so that Services and names work after a restart with the engine away."""

import asyncio
from pathlib import Path

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from nodeagent.network.files import replace_file
from nodeagent.network.state import ClusterState, Snapshot

log = structlog.get_logger(__name__)

FILE_NAME = "network.json"
SETTLE_SECONDS = 10.0
"""After the first change, so that a rollout is one write."""

REST_SECONDS = 120.0
"""Between two writes: the disk may be an SD card. What a crash loses comes back with the first list."""


def path_in(state_dir: Path) -> Path:
    return state_dir / FILE_NAME


def load(path: Path) -> Snapshot | None:
    """The snapshot on disk; None when there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Snapshot)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("cannot read what was known of the network; starting without", path=str(path), error=str(error))
        return None


def save(path: Path, snapshot: Snapshot) -> None:
    """Write it down, unless the same stands there already. Raises OSError."""
    content = msgspec.json.encode(snapshot)
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, content, 0o600)


async def keep_saved(path: Path, state: ClusterState, synced: asyncio.Event, clock: Clock) -> None:
    """Write the state down after changes, for ever. Raises OSError."""
    await synced.wait()
    saved = -1
    try:
        while True:
            if saved != state.changes:
                await clock.sleep(SETTLE_SECONDS)
                saved = state.changes
                await asyncio.to_thread(save, path, state.snapshot())
                await clock.sleep(REST_SECONDS)
            else:
                await clock.sleep(SETTLE_SECONDS)
    finally:
        if saved != state.changes:
            save(path, state.snapshot())
