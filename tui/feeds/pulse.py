"""A light beat that tells whether the server answers, so that a dead connection is noticed within seconds."""

from collections.abc import Callable

import msgspec

from apimachinery.aio.clock import Clock
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import Transport

BEAT = 10.0
PATIENCE = 5.0


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


class Pulse:
    """`on_beat(alive, detail)` hears of every beat; `version` is the server's, once it has answered."""

    def __init__(self, transport: Transport, *, clock: Clock, on_beat: Callable[[bool, str], None]) -> None:
        self._transport = transport
        self._clock = clock
        self._on_beat = on_beat
        self.version = ""

    async def run(self) -> None:
        while True:
            await self.beat()
            await self._clock.sleep(BEAT)

    async def beat(self) -> None:
        try:
            answer = await self._transport.request("GET", "/version", timeout=PATIENCE)
        except (ConnectionFailed, TimeoutError) as error:
            self._on_beat(False, str(error))
            return
        if answer.status == 200:
            self.version = msgspec.json.decode(answer.body, type=_Version).git_version
        # Any answer is a sign of life, a refusal too.
        self._on_beat(True, "")
