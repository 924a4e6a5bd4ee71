"""A process that writes to a store and says, line by line, what was acknowledged; made to be killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from engine.store.sqlite import SqliteStore

WRITERS = 8


async def main(path: Path) -> None:
    store = await SqliteStore.open(path)

    async def write(writer: int) -> None:
        number = 0
        while True:
            key = f"/r/{writer}/{number % 50}"
            old = store.latest(key)
            value = b"%d" % number
            record = await (store.update(key, value, old.revision) if old else store.create(key, value))
            sys.stdout.write(f"{record.revision} {key} {number}\n")
            sys.stdout.flush()
            number += 1

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
