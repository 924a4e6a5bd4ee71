"""One question in, one answer out: the cluster's names at once, others through the upstream servers."""

import structlog
from dnslib import QTYPE

from nodeagent.network.dns import message, wire
from nodeagent.network.dns.upstream import NoAnswer, Upstream
from nodeagent.network.dns.zone import Answer, Zone

log = structlog.get_logger(__name__)

CLASS_IN, CLASS_ANY = 1, 255
TRANSFERS = {QTYPE.AXFR, QTYPE.IXFR}
KEEP_REPLIES = 1024


class Resolver:
    """`now` answers without waiting where that is possible; `later` does the rest."""

    def __init__(self, zone: Zone, upstream: Upstream) -> None:
        self._zone = zone
        self._upstream = upstream
        self._turn = 0
        self._replies: dict[tuple[bool, bytes], bytes] = {}
        self._generation = -1

    def now(self, query: bytes, *, tcp: bool) -> bytes | None:
        """The whole reply, empty for what deserves none, None when others have to be asked first."""
        if len(query) < wire.HEADER_BYTES or wire.is_response(query):
            return b""
        known = self._remembered(query, tcp=tcp)
        if known is not None:
            return known
        try:
            asked = wire.question(query)
            wire.records(query)
        except wire.Malformed:
            return wire.failure(query, wire.FORMAT_ERROR)
        if asked.opcode != 0:
            return wire.failure(query, wire.NOT_IMPLEMENTED)
        if asked.qclass not in {CLASS_IN, CLASS_ANY} or asked.qtype in TRANSFERS:
            return wire.failure(query, wire.REFUSED)
        answer = self._zone.answer(asked.labels, message.type_name(asked.qtype))
        if answer is None:
            kept = self._upstream.cached(query, asked)
            return self._fitting(query, kept, tcp=tcp) if kept is not None else None
        if not self._zone.known and not answer.records:
            # An empty answer would be believed, and kept.
            return wire.failure(query, wire.SERVER_FAILURE)
        if answer.follow:
            return None
        return self._reply(query, asked, answer, tcp=tcp)

    async def later(self, query: bytes, *, tcp: bool) -> bytes:
        """The reply to what `now` could not answer."""
        asked = wire.question(query)
        answer = self._zone.answer(asked.labels, message.type_name(asked.qtype))
        try:
            if answer is None:
                return self._fitting(query, await self._upstream.ask(query, asked, tcp=tcp), tcp=tcp)
            return await self._followed(query, asked, answer, tcp=tcp)
        except (NoAnswer, wire.Malformed) as error:
            log.debug("no answer for a name outside the cluster", name=".".join(asked.labels), error=str(error))
            return wire.failure(query, wire.SERVER_FAILURE)

    async def _followed(self, query: bytes, asked: wire.Question, answer: Answer, *, tcp: bool) -> bytes:
        """An ExternalName: the alias and, for resolvers that do not ask again, where it leads."""
        onward = message.question_for(answer.follow, asked.qtype, int.from_bytes(query[:2], "big"))
        onward_asked = wire.question(onward)
        found = self._upstream.cached(onward, onward_asked)
        if found is None:
            found = await self._upstream.ask(onward, onward_asked, tcp=tcp)
            if wire.is_truncated(found):
                found = await self._upstream.ask(onward, onward_asked, tcp=True)
        more = message.records_of(found)
        soa = self._zone.soa(answer.zone)
        return message.packed(message.build(query, asked, answer, soa, more), _limit(query, tcp=tcp))

    def _reply(self, query: bytes, asked: wire.Question, answer: Answer, *, tcp: bool) -> bytes:
        self._turn += 1
        several = len(answer.records) > 1
        if several:
            turned = tuple(message.rotated(answer, self._turn))
            answer = Answer(zone=answer.zone, exists=answer.exists, records=turned, additional=answer.additional)
        built = message.build(query, asked, answer, self._zone.soa(answer.zone))
        reply = message.packed(built, _limit(query, tcp=tcp))
        if not several and len(self._replies) < KEEP_REPLIES:
            self._replies[tcp, query[2:]] = reply[2:]
        return reply

    def _remembered(self, query: bytes, *, tcp: bool) -> bytes | None:
        """The same question again, byte for byte, while nothing has changed: most of a busy cluster's questions."""
        if self._zone.generation != self._generation or len(self._replies) >= KEEP_REPLIES:
            self._generation = self._zone.generation
            self._replies.clear()
        known = self._replies.get((tcp, query[2:]))
        return query[:2] + known if known is not None else None

    def _fitting(self, query: bytes, answer: bytes, *, tcp: bool) -> bytes:
        return answer if len(answer) <= _limit(query, tcp=tcp) else wire.truncated(answer)


def _limit(query: bytes, *, tcp: bool) -> int:
    return 65535 if tcp else min(message.MAX_UDP_BYTES, wire.payload_size(query))
