"""What one delivery costs a server that does nothing else: the same bytes to as many TLS clients, by bare uvloop."""

import asyncio
import contextlib
import json
import ssl
import sys
import time
import typing
from pathlib import Path

import uvloop

_SETTLE = 1.0


async def measure(
    certificate: Path, key: Path, context: ssl.SSLContext, *, clients: int, size: int, rounds: int
) -> float:
    """Microseconds of the server's CPU for each delivery of `size` bytes."""
    words = [str(certificate), str(key), str(clients), str(size), str(rounds)]
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, *words, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    port = json.loads(await server.stdout.readline())

    async def read() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        try:
            await reader.readexactly(size * rounds)
        finally:
            writer.transport.abort()

    try:
        async with asyncio.timeout(120):
            await asyncio.gather(*(read() for _ in range(clients)))
            return json.loads(await server.stdout.readline())
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.kill()
        await server.wait()


async def _serve(certificate: str, key: str, clients: int, size: int, rounds: int) -> None:
    connected: list[asyncio.WriteTransport] = []
    everybody = asyncio.Event()

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            # uvloop's are no subclass of it.
            connected.append(typing.cast("asyncio.WriteTransport", transport))
            if len(connected) == clients:
                everybody.set()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.get_running_loop().create_server(Client, "127.0.0.1", 0, ssl=context)
    _say(server.sockets[0].getsockname()[1])
    await everybody.wait()
    await asyncio.sleep(_SETTLE)
    message = bytes(size)
    used = time.process_time()
    for _ in range(rounds):
        for transport in connected:
            transport.write(message)
        await asyncio.sleep(0.1 * clients / 300)
    _say((time.process_time() - used) / (rounds * clients) * 1e6)
    await asyncio.sleep(60)


def _say(what: float) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
