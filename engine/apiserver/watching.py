"""Watches: one hub per kind hears the store, encodes each event once per form, and hands it to all who watch.

Nobody is waited for. A sink that cannot take a frame at once must buffer it or end its watch; the client lists again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from apimachinery.aio.clock import Clock
from apimachinery.objects.errors import Invalid, StatusError
from apimachinery.objects.field import FieldError, forbidden, not_supported
from engine.apiserver import tables, wire
from engine.apiserver.negotiate import Form
from engine.apiserver.notes import Notes, notes_of, value_of
from engine.apiserver.registry.kind import Kind
from engine.apiserver.request import Frame, Query, Sink
from engine.apiserver.selection import Selection
from engine.apiserver.versions import expired, integer, revision_errors, too_large
from engine.store.errors import Compacted, FutureRevision
from engine.store.protocol import Change, Record, Store

_NOT_OLDER = "NotOlderThan"
_INITIAL_EVENTS_END = b',"annotations":{"k8s.io/initial-events-end":"true"}'


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """A watch request's query, checked."""

    from_revision: int
    """Go on from here; with `initial`, what is there must be at least as new. 0: now."""
    initial: bool
    """Whether what is there comes first, as ADDED events."""
    initial_end: bool
    """Whether a bookmark marks the end of what was there."""
    bookmarks: bool
    timeout: float
    """Seconds; 0: as long as the server likes."""


def watch_options(query: Query, kind: Kind | None = None) -> WatchOptions:
    """Raises BadRequest, Invalid; errors about the version name the kind."""
    version, match, asked = (
        query.get("resourceVersion"),
        query.get("resourceVersionMatch"),
        query.get("sendInitialEvents"),
    )
    errors: list[FieldError] = []
    if asked and match != _NOT_OLDER:
        errors.append(
            forbidden(
                "resourceVersionMatch", f"sendInitialEvents requires setting resourceVersionMatch to {_NOT_OLDER}"
            )
        )
    if match:
        if not asked:
            errors.append(
                forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                )
            )
        if match != _NOT_OLDER:
            errors.append(not_supported("resourceVersionMatch", match, (_NOT_OLDER,)))
        if query.get("continue"):
            errors.append(
                forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
            )
    if errors:
        raise Invalid.of("ListOptions", "meta.k8s.io", "", errors)
    errors = revision_errors(version)
    if errors:
        group, plural = (kind.group, kind.plural) if kind is not None else ("", "")
        raise Invalid.of(plural, group, "", errors)
    bookmarks, revision = query.flag("allowWatchBookmarks"), int(version or "0")
    wants_initial = asked.lower() not in {"false", "0"} if asked else revision == 0
    return WatchOptions(
        from_revision=revision,
        initial=wants_initial,
        initial_end=bool(asked) and wants_initial and bookmarks,
        bookmarks=bookmarks,
        timeout=float(max(integer(query.get("timeoutSeconds") or "0"), 0)),
    )


class _Group:
    """All sinks that get the very same frames."""

    __slots__ = ("bookmarked", "form", "selection", "sinks", "unheaded")

    def __init__(self, selection: Selection, form: Form) -> None:
        self.selection = selection
        self.form = form
        self.sinks: dict[Sink, None] = {}
        self.bookmarked: dict[Sink, None] = {}
        self.unheaded: set[Sink] = set()
        """Those that were not told yet what the columns are: a Table's are sent once, with its first rows."""


class Hub:
    """All watches of one kind."""

    def __init__(self, kind: Kind, store: Store, clock: Clock) -> None:
        self.kind = kind
        self._store = store
        self._clock = clock
        self._groups: dict[tuple[Selection, Form], _Group] = {}
        self._subscription = store.watch(kind.storage_prefix, 0, self._on_change)

    def close(self) -> None:
        self._subscription.close()
        for group in list(self._groups.values()):
            for sink in list(group.sinks):
                sink.end()
        self._groups.clear()

    @property
    def watching(self) -> int:
        """How many watches there are."""
        return sum(len(group.sinks) for group in self._groups.values())

    def join(self, selection: Selection, form: Form, options: WatchOptions, sink: Sink) -> Iterator[Frame]:
        """Register; the frames to send before any that the sink is handed.

        A version that is forgotten, or not there yet, is told by an ERROR event, and the watch ends: the request was
        in order, as upstream sees it.
        """
        try:
            if options.initial:
                if options.from_revision > self._store.revision:
                    raise FutureRevision(options.from_revision, self._store.revision)
                records = selection.filter(self.kind, self._store.list(selection.prefix(self.kind)).records)
                headed = bool(records)
                first = self._existing(records, form, self._store.revision, options)
            else:
                missed = self._missed(selection, options.from_revision) if options.from_revision else []
                headed = bool(missed)
                first = self._told(missed, form)
        except Compacted as error:
            return self._refused(expired(error.asked, error.oldest), sink)
        except FutureRevision as error:
            return self._refused(too_large(error.asked, error.current), sink)
        group = self._groups.get((selection, form))
        if group is None:
            group = self._groups[selection, form] = _Group(selection, form)
        group.sinks[sink] = None
        if form.shape == "table" and not headed:
            group.unheaded.add(sink)
        if options.bookmarks:
            group.bookmarked[sink] = None
        return first

    def _refused(self, error: StatusError, sink: Sink) -> Iterator[Frame]:
        sink.end()
        return iter((frame_of(b"ERROR", msgspec.json.encode(error.to_status())),))

    def leave(self, selection: Selection, form: Form, sink: Sink) -> None:
        group = self._groups.get((selection, form))
        if group is None:
            return
        group.sinks.pop(sink, None)
        group.bookmarked.pop(sink, None)
        group.unheaded.discard(sink)
        if not group.sinks:
            del self._groups[selection, form]

    def bookmark(self) -> None:
        """Tell all who want to know how far they have seen."""
        for group in list(self._groups.values()):
            if group.bookmarked:
                frame = self.bookmark_frame(group.form, self._store.revision)
                for sink in list(group.bookmarked):
                    sink.deliver(frame)

    def bookmark_frame(self, form: Form, revision: int, *, initial_end: bool = False) -> Frame:
        annotations = _INITIAL_EVENTS_END if initial_end else b""
        metadata = b'{"resourceVersion":"%d","creationTimestamp":null%b}' % (revision, annotations)
        if form.shape == "table":
            return frame_of(b"BOOKMARK", tables.empty_row_table(metadata, form.version))
        kind, version = (
            (b"PartialObjectMetadata", b"meta.k8s.io/%b" % form.version.encode())
            if form.shape == "partial"
            else (self.kind.kind.encode(), self.kind.api_version.encode())
        )
        return frame_of(b"BOOKMARK", b'{"kind":"%b","apiVersion":"%b","metadata":%b}' % (kind, version, metadata))

    def _existing(self, records: list[Record], form: Form, revision: int, options: WatchOptions) -> Iterator[Frame]:
        for number, record in enumerate(records):
            shown = self._shown(notes_of(self.kind, record), form, record.revision, headed=number == 0)
            yield frame_of(b"ADDED", shown)
        if options.initial_end:
            yield self.bookmark_frame(form, revision, initial_end=True)

    def _missed(self, selection: Selection, revision: int) -> list[tuple[bytes, Change]]:
        """Events, and the changes that they tell of."""
        changes: list[Change] = []
        self._store.watch(selection.prefix(self.kind), revision, changes.append).close()
        return [(event, change) for change in changes if (event := self.event_of(change, selection))]

    def _told(self, events: list[tuple[bytes, Change]], form: Form) -> Iterator[Frame]:
        for number, (event, change) in enumerate(events):
            yield frame_of(event, self.object_of(change, event, form, headed=number == 0))

    def _on_change(self, change: Change) -> None:
        frames: dict[tuple[Form, bytes, bool], Frame] = {}
        namespace = change.key[len(self.kind.storage_prefix) :].partition("/")[0] if self.kind.namespaced else ""
        for group in list(self._groups.values()):
            selection = group.selection
            if selection.namespace and selection.namespace != namespace:
                continue
            event = self.event_of(change, selection)
            if event is None:
                continue

            def frame(*, headed: bool, form: Form = group.form, event: bytes = event) -> Frame:
                found = frames.get((form, event, headed))
                if found is None:
                    found = frame_of(event, self.object_of(change, event, form, headed=headed))
                    frames[form, event, headed] = found
                return found

            told, group.unheaded = group.unheaded, set()
            for sink in told:
                sink.deliver(frame(headed=True))
            others = [sink for sink in group.sinks if sink not in told] if told else list(group.sinks)
            if others:
                plain = frame(headed=False)
                for sink in others:
                    sink.deliver(plain)

    def event_of(self, change: Change, selection: Selection) -> bytes | None:
        """What a change is to who watches a selection: nothing, ADDED, MODIFIED or DELETED."""
        was = change.before is not None and selection.matches(self.kind, change.before)
        is_now = change.after is not None and selection.matches(self.kind, change.after)
        if is_now:
            return b"MODIFIED" if was else b"ADDED"
        return b"DELETED" if was else None

    def object_of(self, change: Change, event: bytes, form: Form, *, headed: bool) -> bytes:
        """The object of an event. `headed`: a Table says what its columns are."""
        if event != b"DELETED" and change.after is not None:
            return self._shown(notes_of(self.kind, change.after), form, change.revision, headed=headed)
        if change.before is None:
            raise ValueError(f"change {change.revision} of {change.key} has neither a before nor an after")
        # The last state that the watcher could see, as of now.
        last = Record(change.key, wire.at_revision(change.before, change.revision), change.revision)
        return self._shown(Notes(value_of(self.kind, last)), form, change.revision, headed=headed)

    def _shown(self, notes: Notes, form: Form, revision: int, *, headed: bool) -> bytes:
        if form.shape == "object":
            return notes.value
        if form.shape == "partial":
            return tables.partial(notes, form.version)
        now = self._clock.now().timestamp()
        metadata = b'{"resourceVersion":"%d"}' % revision
        return b"".join(tables.table(self.kind, [notes], now, form, metadata, headed=headed))


class Watch:
    """One client's watch, ready to start (see request.WatchAnswer)."""

    content_type = "application/json"

    def __init__(
        self,
        hub: Hub,
        selection: Selection,
        form: Form,
        options: WatchOptions,
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._hub = hub
        self._selection = selection
        self._form = form
        self._options = options
        self._call_later = call_later
        self._sink: Sink | None = None

    def start(self, sink: Sink) -> Iterator[Frame]:
        """Register; what to send first."""
        first = self._hub.join(self._selection, self._form, self._options, sink)
        self._sink = sink
        if self._options.timeout:
            self._call_later(self._options.timeout, self._time_out)
        return first

    def stop(self) -> None:
        if self._sink is not None:
            self._hub.leave(self._selection, self._form, self._sink)
            self._sink = None

    def _time_out(self) -> None:
        if self._sink is not None:
            self._sink.end()


def frame_of(event: bytes, obj: bytes) -> Frame:
    """One event of a watch."""
    return Frame(b'{"type":"%b","object":%b}\n' % (event, obj))
