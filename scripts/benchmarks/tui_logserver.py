"""A server of one pod that writes so many lines a second: `python -m scripts.benchmarks.tui_logserver RATE LINES`.

It prints its port, and speaks just enough of the API over plain HTTP for the log screen; lines flow once they are asked
for, in the pace of the rate, and the stream then stays open.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta

import msgspec

POD = {
    "kind": "Pod", "apiVersion": "v1",
    "metadata": {"name": "loud", "namespace": "default", "uid": "loud", "resourceVersion": "1"},
    "spec": {"containers": [{"name": "main", "image": "loud"}]},
    "status": {"phase": "Running", "containerStatuses": [{"name": "main", "ready": True, "restartCount": 0,
                                                         "state": {"running": {}}}]},
}  # fmt: skip
TICK = 0.02
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def lines(start: int, count: int) -> bytes:
    """Lines as a busy web server writes them; one in ten thousand has `needle` in it."""
    second = (BEGAN + timedelta(microseconds=start)).strftime("%Y-%m-%dT%H:%M:%S")
    made = [
        f"{second}.{n % 1_000_000:06}000Z 10.42.{n % 250}.{n % 199} - GET /api/orders/{n}{'?needle' if n % 10_000 == 9 else ''}"
        f" 200 {n * 7919 % 90_000} {n * 31 % 400} ms"
        for n in range(start, start + count)
    ]
    return ("\n".join(made) + "\n").encode()


async def serve(rate: int, total: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                if "/log?" in path:
                    await pour(writer)
                elif "watch=" in path:
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
                    )
                    await asyncio.Event().wait()
                elif "/pods" in path:
                    reply(writer, {"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": [POD]})
                else:
                    reply(writer, {"gitVersion": "v1.36.0"} if path.startswith("/version") else {})
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def pour(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n")
        sent, began = 0, time.monotonic()
        while sent < total:
            due = min(total, int((time.monotonic() - began + TICK) * rate))
            while sent < due:
                count = min(1000, due - sent)
                chunk = lines(sent, count)
                writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                sent += count
                await writer.drain()
            await asyncio.sleep(TICK)
        await asyncio.Event().wait()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


def reply(writer: asyncio.StreamWriter, what: object) -> None:
    body = msgspec.json.encode(what)
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
