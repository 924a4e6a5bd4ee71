"""A load generator that costs little itself: plain HTTP/1.1 over kept TLS connections, one request in flight each."""

import asyncio
import itertools
import re
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of requests gave; latencies in seconds, sorted."""

    requests: int
    seconds: float
    bytes: int
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def request(method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
    if body:
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def run(
    port: int,
    context: ssl.SSLContext,
    requests: Iterable[bytes],
    *,
    connections: int = 8,
    accept: tuple[int, ...] = (200,),
) -> Load:
    """Send all `requests` over `connections` connections. Raises RuntimeError on any other status."""
    shared = iter(requests)
    latencies: list[float] = []
    received = 0

    async def one() -> None:
        nonlocal received
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost", limit=2**26
        )
        try:
            for message in shared:
                started = time.perf_counter()
                writer.write(message)
                status, size = await _answer(reader)
                latencies.append(time.perf_counter() - started)
                received += size
                if status not in accept:
                    raise RuntimeError(f"HTTP status {status} for {message[:80]!r}")
        finally:
            writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Load(len(latencies), time.perf_counter() - started, received, sorted(latencies))


def repeated(message: bytes, count: int) -> Iterable[bytes]:
    return itertools.repeat(message, count)


def numbered(make: Callable[[int], bytes], count: int) -> Iterable[bytes]:
    return map(make, range(count))


async def _answer(reader: asyncio.StreamReader) -> tuple[int, int]:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    length = _LENGTH.search(head)
    if length is not None:
        await reader.readexactly(int(length[1]))
        return status, int(length[1])
    total = 0
    while size := int(await reader.readline(), 16):  # chunked
        await reader.readexactly(size + 2)
        total += size
    await reader.readline()
    return status, total
