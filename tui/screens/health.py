"""What there is to look after (`:health`): certificates, machines, disks, heat, backups, versions, with one score."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import CRONJOBS, NODES, SECRETS
from tui.document import Document, Span
from tui.feeds.state import FeedState, Phase
from tui.kinds.labhealth import Certificate, Facts, Finding, State, findings, score
from tui.kinds.machinestats import Reading, reading
from tui.rows import Column, Row
from tui.screens.listing import ListScreen
from tui.screens.text import TextScreen
from tui.tones import Tone
from tui.widgets.hints import Hint

T = TypeVar("T")
PERIOD = 60.0
PATIENCE = 6.0
AT_ONCE = 16
"""Machines that are asked at a time."""
MOST = 500
TONES = {State.BAD: Tone.BAD, State.WARN: Tone.WARN, State.UNKNOWN: Tone.FAINT, State.OK: Tone.OK}


class HealthScreen(ListScreen):
    COLUMNS = (Column("State"), Column("Area"), Column("What"), Column("How"), Column("Then"))
    WORD = ("thing looked at", "things looked at")

    def on_mount(self) -> None:
        if self._begun:
            return
        super().on_mount()
        self._found: list[Finding] = []
        self.set_state(FeedState(phase=Phase.LOADING))
        self.table.show_placeholder([(("Looking around …", Tone.MUTED),)])
        self.reconnect()

    def reconnect(self) -> None:
        self.run_worker(self._follow(), group="health", exclusive=True, name="health")

    async def _follow(self) -> None:
        while True:
            self._found = findings(await self._facts())
            self.set_state(FeedState(phase=Phase.LIVE))
            self.show_rows(
                [
                    # In the order of how bad it is, which rows keep by their namespaces.
                    Row(f"{one.area}/{one.what}/{one.detail[:12]}", f"{one.state:d}", f"{one.area} {one.what}",
                        (one.state.word, one.area, one.what, one.detail, one.then))
                    for one in self._found
                ],
                quiet=True,
            )  # fmt: skip
            await self.session.clock.sleep(PERIOD)

    async def _facts(self) -> Facts:
        """All that can be read, at once; what cannot is said as such."""
        session, untold = self.session, dict[str, str]()
        nodes, jobs, secrets, server = await asyncio.gather(
            self._told(untold, "machines", self._all(NODES)),
            self._told(untold, "backups", self._all(CRONJOBS)),
            self._told(untold, "certificates in Secrets", self._all(SECRETS, "type=kubernetes.io/tls")),
            _server_certificate(session.access.server),
        )
        summaries = await self._summaries([node["metadata"]["name"] for node in nodes or ()])
        readings, silent = dict[str, Reading](), list[str]()
        for node in nodes or ():
            name = node["metadata"]["name"]
            summary = summaries.get(name)
            if summary is None:
                silent.append(name)
            else:
                readings[name] = reading(summary, node, session.now(), None)
        if silent:
            untold["disks and heat"] = f"{', '.join(silent[:5])}: the agent cannot be asked"
        certificates = [*_own(session.access.client_certificate), *server, *_of_secrets(secrets or ())]
        return Facts(
            now=session.now(), server_version=session.pulse.version, certificates=certificates, nodes=nodes or (),
            readings=readings, volumes=_volumes(summaries.values()), cron_jobs=jobs or (), untold=untold,
        )  # fmt: skip

    async def _told(self, untold: dict[str, str], area: str, asked: Awaitable[T]) -> T | None:
        try:
            return await asked
        except (StatusError, ConnectionFailed, TimeoutError) as error:
            untold[area] = str(error)
            return None

    async def _all(self, resource: Any, field_selector: str = "") -> list[dict[str, Any]]:
        page = await self.session.client.list(resource, limit=MOST, field_selector=field_selector)
        return list(page.items)

    async def _summaries(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        limit = asyncio.Semaphore(AT_ONCE)
        found: dict[str, dict[str, Any]] = {}

        async def ask(name: str) -> None:
            path = NODES.path(None, name, "proxy") + "/stats/summary"
            async with limit:
                with contextlib.suppress(StatusError, ConnectionFailed, TimeoutError, msgspec.MsgspecError):
                    summary = msgspec.json.decode(await self.session.client.call("GET", path, timeout=PATIENCE))
                    if "node" in summary:
                        found[name] = summary

        await asyncio.gather(*map(ask, names))
        return found

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        state = next(state for state in State if state.word == row.cells[0])
        match column.name:
            case "State":
                return TONES[state]
            case "How":
                return TONES[state] if state in (State.BAD, State.WARN) else Tone.TEXT
            case "What":
                return Tone.TEXT
            case _:
                del text
                return Tone.MUTED

    def notes(self) -> Sequence[Span]:
        if self.feed_state.phase is not Phase.LIVE:
            return ()
        chores = sum(one.state in (State.BAD, State.WARN) for one in self._found)
        points = score(self._found)
        tone = Tone.OK if points >= 90 else Tone.WARN if points >= 60 else Tone.BAD
        words = "nothing to do" if not chores else f"{chores} {'chore' if chores == 1 else 'chores'}"
        return [(f"score {points}", tone), (f"  {words}  ", Tone.MUTED), *super().notes()]

    def entered(self, row: Row) -> None:
        """All of it, where the table has no room for that."""
        state, area, what, how, then = map(str, row.cells)
        doc = Document()
        doc.heading(what, area, tone=self.tone(row, Column("State"), state))
        doc.field("How it stands", how)
        doc.field("What to do", then)
        self.app.push_screen(TextScreen(replace(self.target, title=what), doc.lines))

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("⏎", "in full", ""), Hint("^z", "chores only", ""), Hint("^r", "look again", "reconnect")]


def _own(pem: bytes | None) -> list[Certificate]:
    until = _until(pem) if pem else None
    return [Certificate(what="your client certificate", until=until, renewed="pilothouse kubeconfig")] if until else []


async def _server_certificate(server: str) -> list[Certificate]:
    """The certificate that the API server shows, whoever signed it: its date is what is wanted."""
    address = urlsplit(server)
    if address.scheme != "https" or not address.hostname:
        return []
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(address.hostname, address.port or 443, ssl=context)
    except (OSError, TimeoutError):
        return []
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()
    until = _until(ssl.DER_cert_to_PEM_cert(der).encode()) if der else None
    return [Certificate(what="the API server's certificate", until=until)] if until else []


def _of_secrets(secrets: Sequence[dict[str, Any]]) -> list[Certificate]:
    found: list[Certificate] = []
    for secret in secrets:
        if secret.get("type", "kubernetes.io/tls") != "kubernetes.io/tls":
            continue
        meta, text = secret["metadata"], (secret.get("data") or {}).get("tls.crt", "")
        with contextlib.suppress(ValueError):
            if (until := _until(base64.b64decode(text))) is not None:
                found.append(Certificate(what=f"secret {meta.get('namespace')}/{meta['name']}", until=until))
    return found


def _until(pem: bytes) -> float | None:
    """When the first certificate of a PEM ends; None when there is none to be read."""
    from cryptography import x509  # not loaded before somebody looks

    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
    except ValueError:
        return None


def _volumes(summaries: Any) -> list[tuple[str, int, int]]:
    """Claims and how full they are, each once."""
    found: dict[str, tuple[str, int, int]] = {}
    for summary in summaries:
        for pod in summary.get("pods") or ():
            for volume in pod.get("volume") or ():
                claim = volume.get("pvcRef") or {}
                if claim.get("name") and volume.get("capacityBytes"):
                    name = f"{claim.get('namespace', '')}/{claim['name']}"
                    found[name] = (name, int(volume.get("usedBytes", 0)), int(volume["capacityBytes"]))
    return list(found.values())
