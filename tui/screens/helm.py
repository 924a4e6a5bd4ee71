"""Helm's releases and their revisions: values, manifest, notes, the difference to the one before, the way back."""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from textual.binding import Binding

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import parse_time
from apimachinery.objects.resources import SECRETS
from tui.command import namespaces_of
from tui.document import EMPTY, Document, Line
from tui.feeds.manytables import ManyTables
from tui.feeds.state import FeedState
from tui.kinds import helm
from tui.kinds.helm import Release
from tui.rows import Cell, Column, Moment, Row
from tui.screens.listing import ListScreen
from tui.screens.machinework import YesDialog
from tui.screens.text import TextScreen
from tui.target import Target
from tui.tones import Tone
from tui.widgets.hints import Hint
from tui.yamltext import diff_lines, to_yaml, yaml_lines

PATIENCE = 300.0
_TONES = {"deployed": Tone.OK, "failed": Tone.BAD, "superseded": Tone.MUTED, "uninstalled": Tone.MUTED}


class _Releases(ListScreen):
    """Reads what it shows from live Secrets: their labels at once, their content when it is needed."""

    BINDINGS = [
        Binding("v", "values(0)", "The values that the user gave; V with the chart's own", show=False),
        Binding("V", "values(1)", "All values", show=False),
        Binding("y", "manifest", "The manifest that was made of it", show=False),
        Binding("d", "notes", "What the chart says after installing", show=False),
    ]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._secrets: dict[str, Row] = {}
        self._read: dict[tuple[str, str], Release | str] = {}

    def on_mount(self) -> None:
        session, namespace = self.session, self.target.namespace
        scopes: list[str | None] = [*namespaces_of(namespace, session.namespaces)] if namespace else [None]
        selector = f"{helm.SELECTOR},name={self.target.name}" if self.target.name else helm.SELECTOR
        self._feed = ManyTables(
            session.transport, [SECRETS.path(scope) for scope in scopes], clock=session.clock,
            label_selector=selector, on_pending=self._pending, on_state=self._state_changed,
        )  # fmt: skip
        super().on_mount()
        self.table.show_placeholder([(("Looking for releases …", Tone.MUTED),)])
        self.run_worker(self._feed.run(), group="feed", name="helm")

    def reconnect(self) -> None:
        self._feed.reconnect_now()

    def _state_changed(self, state: FeedState) -> None:
        self.set_state(state)
        if state.detail and not self._secrets:
            self.table.show_placeholder([((state.detail, Tone.BAD),)])
        elif not state.detail:
            self._pending()

    def _pending(self) -> None:
        self.call_later(self._take)

    def _take(self) -> None:
        batch = self._feed.take()
        if batch is not None:
            for uid in batch.removed:
                self._secrets.pop(uid, None)
            self._secrets.update((row.uid, row) for row in batch.upserts)
        elif self._secrets:
            return
        self._show()
        self.run_worker(self._read_shown, group="read", exclusive=True)

    def chosen_secrets(self) -> list[Row]:
        """Those that make a row, in their order."""
        raise NotImplementedError

    def _show(self) -> None:
        if self.shown:
            self.show_rows([self.row_of(secret, self._known(secret)) for secret in self.chosen_secrets()], quiet=True)

    def row_of(self, secret: Row, release: Release | str | None) -> Row:
        raise NotImplementedError

    def _known(self, secret: Row) -> Release | str | None:
        return self._read.get((secret.uid, secret.resource_version))

    async def _read_shown(self) -> None:
        for secret in self.chosen_secrets():
            if self._known(secret) is None:
                await self._release(secret)
                self._show()

    async def _release(self, secret: Row) -> Release | str:
        """The revision, or why it cannot be read."""
        known = self._known(secret)
        if known is None:
            try:
                obj = await self.session.client.get(SECRETS, secret.name, secret.namespace)
                known = await asyncio.to_thread(helm.decode, obj)
            except (StatusError, ConnectionFailed, ValueError) as error:
                known = str(error)
            self._read[secret.uid, secret.resource_version] = known
        return known

    async def chosen_release(self) -> Release | None:
        row = self.current()
        if row is None:
            return None
        release = await self._release(self._secrets[row.uid])
        if isinstance(release, str):
            self.notify(release, severity="error")
            return None
        return release

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        del row
        if column.name == "Status":
            return _TONES.get(text, Tone.WARN)
        return Tone.TEXT if column.name in ("Name", "Revision", "Chart", "Description") else Tone.MUTED

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("v", "values", "values(0)"), Hint("y", "manifest", "manifest"), Hint("d", "notes", "notes")]

    def action_values(self, whole: int) -> None:
        self._show_text("all values" if whole else "values", partial(_value_lines, whole=bool(whole)))

    def action_manifest(self) -> None:
        self._show_text("manifest", lambda release: yaml_lines(release.manifest.strip() or "# it made nothing"))

    def action_notes(self) -> None:
        self._show_text("notes", _note_lines)

    def _show_text(self, word: str, lines_of: Callable[[Release], list[Line]]) -> None:
        async def show() -> None:
            release = await self.chosen_release()
            if release is not None:
                target = replace(self.target, title=f"{release.name} {release.version} {word}")
                self.app.push_screen(TextScreen(target, lines_of(release)))

        self.run_worker(show(), group="show", exclusive=True)


class HelmScreen(_Releases):
    COLUMNS = (
        Column("Name"),
        Column("Revision", "integer"),
        Column("Status"),
        Column("Chart"),
        Column("App version"),
        Column("Updated"),
        Column("Namespace"),
        Column("Description", priority=1),
    )
    WORD = ("release", "releases")

    def chosen_secrets(self) -> list[Row]:
        latest: dict[tuple[str, str], Row] = {}
        for secret in self._secrets.values():
            key = (secret.namespace, secret.labels.get("name", ""))
            if key not in latest or _revision(secret) > _revision(latest[key]):
                latest[key] = secret
        return list(latest.values())

    def row_of(self, secret: Row, release: Release | str | None) -> Row:
        name = secret.labels.get("name", secret.name)
        cells: tuple[Cell, ...] = (
            name, _revision(secret), secret.labels.get("status", ""), *_details(release), secret.namespace,
            release.info.description if isinstance(release, Release) else release or "",
        )  # fmt: skip
        return Row(secret.uid, secret.namespace, name, cells)

    def nothing(self) -> list[Line]:
        return [(("No releases here", Tone.MUTED),), EMPTY, (("0", Tone.KEY), (" shows all namespaces", Tone.FAINT))]

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("⏎", "history", ""), *super().own_hints()]

    def own_crumbs(self, *, first: bool) -> list[str]:
        return [self.target.namespace or "all namespaces", "helm"] if first else ["helm"]

    def action_all_namespaces(self) -> None:
        super().action_all_namespaces()
        self.conductor.go_to(replace(self.target, namespace=None))

    def entered(self, row: Row) -> None:
        target = replace(self.target, name=row.name, namespace=row.namespace, title=f"{row.name} history", filter="")
        self.app.push_screen(HistoryScreen(target))


class HistoryScreen(_Releases):
    """The revisions of one release, newest first."""

    COLUMNS = (
        Column("Revision", "integer"),
        Column("Status"),
        Column("Chart"),
        Column("App version"),
        Column("Updated"),
        Column("Description"),
    )
    WORD = ("revision", "revisions")
    BINDINGS = [
        Binding("U", "rollback", "Roll back to the chosen revision, by helm", show=False),
    ]

    def chosen_secrets(self) -> list[Row]:
        return sorted(self._secrets.values(), key=_revision, reverse=True)

    def row_of(self, secret: Row, release: Release | str | None) -> Row:
        revision = _revision(secret)
        said = release.info.description if isinstance(release, Release) else release or ""
        # Newest first, whatever the name: rows stand by it.
        return Row(
            secret.uid, "", f"{10**9 - revision}", (revision, secret.labels.get("status", ""), *_details(release), said)
        )

    def own_hints(self) -> Sequence[Hint]:
        back = [Hint("U", "roll back", "rollback")] if self._can_roll_back() else []
        return [Hint("⏎", "difference to the one before", ""), *back, *super().own_hints()]

    def _can_roll_back(self) -> bool:
        return shutil.which("helm") is not None and not self.session.readonly

    def entered(self, row: Row) -> None:
        self.run_worker(self._difference(row), group="show", exclusive=True)

    async def _difference(self, row: Row) -> None:
        secrets = self.chosen_secrets()
        at = next(index for index, secret in enumerate(secrets) if secret.uid == row.uid)
        after = await self._release(secrets[at])
        before = await self._release(secrets[at + 1]) if at + 1 < len(secrets) else Release()
        for one in (after, before):
            if isinstance(one, str):
                self.notify(one, severity="error")
        if isinstance(after, Release) and isinstance(before, Release):
            title = f"{after.name} {before.version or 'nothing'} → {after.version}"
            self.app.push_screen(TextScreen(replace(self.target, title=title), difference_lines(before, after)))

    def action_rollback(self) -> None:
        if not self._can_roll_back():
            self.notify("Rolling back is done by helm, which is not on this machine." if not self.session.readonly
                        else "This session is read-only.", severity="warning")  # fmt: skip
            return
        self.run_worker(self._roll_back(), group="show", exclusive=True)

    async def _roll_back(self) -> None:
        release = await self.chosen_release()
        if release is None:
            return
        argv = helm.rollback_words(release, release.version, self.session.access.context)
        question = YesDialog(f"Roll {release.name} back to revision {release.version}?", " ".join(argv), "Roll back",
                             danger=True)  # fmt: skip
        if not await self.app.push_screen_wait(question):
            return
        environment = {**os.environ, "KUBECONFIG": self.conductor.contexts.kubeconfig_for_others()}
        self.notify(" ".join(argv), title="Running")
        process = await asyncio.create_subprocess_exec(
            *argv, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE):
                said, _ = await process.communicate()
        except TimeoutError:
            self.notify("helm did not end in time; it was stopped", severity="error")
            return
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = said.decode(errors="replace").strip()
        self.notify(text, severity="information" if process.returncode == 0 else "error", title="helm")


def _revision(secret: Row) -> int:
    text = secret.labels.get("version", "")
    return int(text) if text.isdigit() else 0


def _details(release: Release | str | None) -> tuple[Cell, Cell, Cell]:
    if not isinstance(release, Release):
        return ("…" if release is None else "?", "", "")
    deployed = release.info.last_deployed
    try:
        when: Cell = Moment(parse_time(deployed).timestamp()) if deployed else ""
    except ValueError:
        when = deployed
    return release.chart_words, release.chart.metadata.app_version, when


def _value_lines(release: Release, *, whole: bool) -> list[Line]:
    values = helm.all_values(release) if whole else release.config or {}
    return (
        yaml_lines(to_yaml(values)) if values else [(("No values were given; V shows the chart's own.", Tone.MUTED),)]
    )


def _note_lines(release: Release) -> list[Line]:
    doc = Document()
    doc.text(release.info.notes.strip() or "The chart says nothing.", indent=0)
    return doc.lines


def difference_lines(before: Release, after: Release) -> list[Line]:
    """What changed between two revisions: chart, values, manifest."""
    parts = (
        ("Chart", {"chart": before.chart_words}, {"chart": after.chart_words}),
        ("Values", before.config or {}, after.config or {}),
        ("Manifest", {"manifest": before.manifest}, {"manifest": after.manifest}),
    )
    doc = Document()
    for word, old, new in parts:
        doc.heading(word)
        changed = diff_lines(old, new)
        doc.lines += changed or [(("  the same", Tone.MUTED),)]
    return doc.lines
