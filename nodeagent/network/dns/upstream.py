"""Names outside the cluster: asked of the servers in the machine's resolv.conf, answers kept for a short while."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from apimachinery.aio.clock import Clock
from nodeagent.network.dns import wire

log = structlog.get_logger(__name__)

RESOLV_CONF = Path("/etc/resolv.conf")
TIMEOUT = 2.0
ROUNDS = 2
REREAD_SECONDS = 5.0
KEEP_SECONDS = 30
KEEP_ANSWERS = 512
MAX_SAME_QUESTION = 16
"""Waiting at once for one name. More than that is a question that comes back to us through the server we ask."""

MAX_WAITING = 512

Server = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """What resolv.conf(5) says, as far as we use it."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


def parse_resolv_conf(text: str) -> ResolvConf:
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        match words:
            case ["nameserver", address, *_]:
                nameservers.append(address)
            case ["search" | "domain", *domains]:
                search = tuple(domain.rstrip(".") for domain in domains if domain != ".")
            case _:
                pass
    return ResolvConf(tuple(nameservers), search)


def read_resolv_conf(path: Path = RESOLV_CONF) -> ResolvConf:
    """Empty when there is no such file."""
    try:
        return parse_resolv_conf(path.read_text())
    except OSError:
        return ResolvConf()


class NoAnswer(Exception):
    """No server gave an answer."""


class Upstream:
    """`ask` passes a message on. `ours` are addresses at which we listen ourselves, never to be asked."""

    def __init__(self, servers: Callable[[], Iterable[Server]], clock: Clock, ours: Iterable[str] = ()) -> None:
        self._servers = servers
        self._clock = clock
        self._ours = frozenset(ours)
        self._read_at = -REREAD_SECONDS
        self._known: list[Server] = []
        self._preferred: Server | None = None
        self._kept: dict[bytes, tuple[float, float, bytes]] = {}
        self._waiting: Counter[tuple[tuple[str, ...], int, int]] = Counter()

    def cached(self, query: bytes, asked: wire.Question) -> bytes | None:
        """A kept answer, made to fit this question."""
        key = wire.cache_key(query, asked)
        kept = self._kept.get(key)
        if kept is None:
            return None
        stored, until, message = kept
        now = self._clock.monotonic()
        if now >= until:
            del self._kept[key]
            return None
        answer = wire.aged(message, int(now - stored))
        answer[:2] = query[:2]
        answer[wire.HEADER_BYTES : wire.HEADER_BYTES + len(asked.section)] = asked.section
        return bytes(answer)

    async def ask(self, query: bytes, asked: wire.Question, *, tcp: bool) -> bytes:
        """The answer of the first server that has one; over TCP it is never cut off. Raises NoAnswer."""
        if self._waiting[asked.key] >= MAX_SAME_QUESTION or self._waiting.total() >= MAX_WAITING:
            raise NoAnswer("too many questions wait for an answer")
        self._waiting[asked.key] += 1
        try:
            answer = await self._ask_in_turn(query, asked, tcp=tcp)
        finally:
            self._waiting[asked.key] -= 1
            if not self._waiting[asked.key]:
                del self._waiting[asked.key]
        self._keep(query, asked, answer)
        return answer

    async def _ask_in_turn(self, query: bytes, asked: wire.Question, *, tcp: bool) -> bytes:
        failed: bytes | None = None
        for server in self._in_order() * ROUNDS:
            try:
                async with asyncio.timeout(TIMEOUT):
                    answer = await (_over_tcp if tcp else _over_udp)(server, query, asked)
            except (OSError, TimeoutError, EOFError, wire.Malformed):
                if self._preferred == server:
                    self._preferred = None
                continue
            if wire.response_code(answer) in {wire.SERVER_FAILURE, wire.REFUSED, wire.NOT_IMPLEMENTED}:
                failed = answer
                continue
            self._preferred = server
            return answer
        if failed is None:
            raise NoAnswer("no name server answered")
        return failed

    def _in_order(self) -> list[Server]:
        now = self._clock.monotonic()
        if now - self._read_at >= REREAD_SECONDS:
            self._read_at = now
            self._known = [server for server in self._servers() if server[0] not in self._ours]
        return sorted(self._known, key=lambda server: server != self._preferred)

    def _keep(self, query: bytes, asked: wire.Question, answer: bytes) -> None:
        if wire.is_truncated(answer) or wire.response_code(answer) not in {0, wire.NAME_ERROR}:
            return
        try:
            seconds = min(KEEP_SECONDS, wire.lifetime(answer))
        except wire.Malformed:
            return
        if seconds <= 0:
            return
        while len(self._kept) >= KEEP_ANSWERS:
            del self._kept[next(iter(self._kept))]
        now = self._clock.monotonic()
        self._kept[wire.cache_key(query, asked)] = (now, now + seconds, answer)


class _OneAnswer(asyncio.DatagramProtocol):
    def __init__(self, number: bytes, asked: wire.Question) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._number = number
        self._asked = asked

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - as asyncio calls it
        if data[:2] == self._number and _answers(data, self._asked) and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


def _answers(message: bytes, asked: wire.Question) -> bool:
    try:
        return wire.is_response(message) and wire.question(message).key == asked.key
    except wire.Malformed:
        return False


async def _over_udp(server: Server, query: bytes, asked: wire.Question) -> bytes:
    # A port and a number of its own for each question: both have to be guessed to forge an answer.
    number = secrets.token_bytes(2)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _OneAnswer(number, asked), remote_addr=server)
    try:
        transport.sendto(number + query[2:])
        return query[:2] + (await protocol.answer)[2:]
    finally:
        transport.close()
        protocol.answer.cancel()


async def _over_tcp(server: Server, query: bytes, asked: wire.Question) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = await reader.readexactly(length)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if answer[:2] != query[:2] or not _answers(answer, asked):
        raise wire.Malformed("an answer to something else")
    return answer
