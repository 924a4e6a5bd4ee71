"""Logs of a container, a pod, or all pods that a selector chooses: new pods join by themselves."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from textual.binding import Binding
from textual.widget import Widget

from tui.document import EMPTY, Span
from tui.feeds.logring import NOTE, LogLine
from tui.feeds.logs import MOST_SOURCES, LogFeed, LogQuery, Source, started_sources
from tui.feeds.objects import ObjectFeed
from tui.feeds.state import FeedState, Phase
from tui.kinds.lens import Action
from tui.screens.base import ClusterScreen
from tui.screens.keys import ACTION_KEYS
from tui.target import Target, View
from tui.tones import Tone
from tui.widgets.dialogs import PickDialog
from tui.widgets.hints import Hint
from tui.widgets.logview import LogView, cleaned
from tui.widgets.prompt import Mode, Prompt

FRAME = 0.08
LABEL_WIDTH = 18

RANGES: dict[str, tuple[str, LogQuery]] = {
    "1": ("the last 1,000 lines", LogQuery(tail=1000)),
    "2": ("the last minute", LogQuery(tail=0, since=60)),
    "3": ("the last 5 minutes", LogQuery(tail=0, since=300)),
    "4": ("the last 15 minutes", LogQuery(tail=0, since=900)),
    "5": ("the last 30 minutes", LogQuery(tail=0, since=1800)),
    "6": ("the last hour", LogQuery(tail=0, since=3600)),
    "7": ("everything there is", LogQuery(tail=0)),
}


class LogsScreen(ClusterScreen):
    BINDINGS = [
        Binding("w,W", "wrap", "Fold long lines or not", show=False, key_display="w"),
        Binding("t", "timestamps", "Times of lines", show=False),
        ACTION_KEYS[Action.PREVIOUS].binding("previous"),
        Binding("h", "range", "How far back to look", show=False),
        *(Binding(key, f"range_of('{key}')", words.capitalize(), show=False) for key, (words, _) in RANGES.items()),
        Binding("v", "columns", "Fields of JSON, logfmt and klog as columns, or the lines as they came", show=False),
        Binding("P", "patterns", "Patterns: lines that are alike, counted", show=False),
        Binding(
            "enter", "line", "The first line on the screen in full; a double click for any", show=False, key_display="⏎"
        ),
        Binding("m", "mark", "Draw a line here", show=False),
        Binding("C", "clear", "Clear", show=False),
    ]

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._filter = ""
        self._filter_error = ""
        self._range = "1"
        self._previous = target.previous
        self._last_flush = 0.0
        self._flush_waits = False
        self._labels: list[str] = []
        self._unfollowed = 0

    def body(self) -> Sequence[Widget]:
        self.view = LogView(self._label)
        return [self.view]

    def main_widget(self) -> Widget:
        return self.view

    def on_mount(self) -> None:
        target, session = self.target, self.session
        self._pods = ObjectFeed(
            session.transport,
            target.resource,
            target.namespace,
            clock=session.clock,
            name=target.name,
            label_selector=target.label_selector,
            on_change=self._pods_changed,
            on_state=self._state_changed,
        )
        self._start()
        super().on_mount()
        self.run_worker(self._pods.run(), group="pods", name="pods of logs")

    def reconnect(self) -> None:
        self._pods.reconnect_now()

    def _start(self) -> None:
        query = RANGES[self._range][1]
        query = LogQuery(tail=query.tail, since=query.since, previous=self._previous)
        self._feed = LogFeed(self.session.transport, query, on_pending=self._pending)
        self._labels = []
        self.view.clear()
        self.run_worker(self._feed.run(), group="feed", name="logs", exclusive=True)
        if self._pods.synced:
            self._pods_changed()

    # from the feeds

    def _pods_changed(self) -> None:
        found = started_sources(list(self._pods.objects), self.target.container)
        self._unfollowed = max(0, len(found) - MOST_SOURCES)
        self._feed.want(found[:MOST_SOURCES])

    def _state_changed(self, state: FeedState) -> None:
        self.set_state(state)

    def _pending(self) -> None:
        if not self._flush_waits:
            self._flush_waits = True
            self.set_timer(max(0.02, self._last_flush + FRAME - time.monotonic()), self._flush)

    def _flush(self) -> None:
        self._flush_waits = False
        self._last_flush = time.monotonic()
        if len(self._labels) != len(self._feed.sources):
            self._labels = source_labels(self._feed.sources)
        self.view.add(self._feed.take())
        self._tell_matches()
        self.tell()

    def _label(self, source: int) -> str:
        return self._labels[source] if len(self._labels) > 1 and source < len(self._labels) else ""

    # what is said

    def status(self) -> Span:
        if self.feed_state.phase is not Phase.LIVE:
            return super().status()
        if self._feed.troubles:
            return ("◌ reconnecting", Tone.WARN)
        if self._previous:
            return ("previous run", Tone.INFO)
        return ("● following", Tone.OK) if self.view.following else ("‖ standing still", Tone.WARN)

    def notes(self) -> Sequence[Span]:
        count = len(self._feed.sources)
        notes: list[Span] = []
        if self._filter:
            notes.append((f"/{self._filter}  ", Tone.ACCENT))
            notes.append((f"{self.view.shown:,} of {len(self.view.ring):,} lines", Tone.MUTED))
            if (share := self.view.searching) is not None:
                notes.append((f"  searching {share:.0%}", Tone.INFO))
        else:
            notes.append((f"{len(self.view.ring):,} lines", Tone.MUTED))
        if self.view.ring.first and len(self.view.ring):
            notes.append((f"  {self.view.ring.first:,} older left out", Tone.FAINT))
        if self._unfollowed:
            notes.append((f"  {self._unfollowed} more containers are not followed", Tone.WARN))
        if count != 1:
            notes.append((f"  {self._feed.following} containers" if count else "  waiting for a container", Tone.MUTED))
        return notes

    def hints(self) -> Sequence[Hint]:
        return [
            Hint("/", "filter", "filter"),
            Hint("w", "no wrap" if self.view.wrap else "wrap", "wrap"),
            Hint("v", "plain" if self.view.columns else "fields", "columns"),
            Hint("P", "patterns", "patterns"),
            Hint("t", "times", "timestamps"),
            Hint("p", "current" if self._previous else "previous", "previous"),
            Hint("h", "since", "range"),
            Hint("Space", "stand still" if self.view.following else "follow", "follow"),
            Hint("^s", "save", "save"),
            Hint("Esc", "back", "back"),
            Hint("?", "help", "help"),
        ]

    def on_log_view_moved(self) -> None:
        self.tell()

    def on_log_view_searched(self) -> None:
        self._tell_matches()
        self.tell()

    def on_log_view_chosen(self, event: LogView.Chosen) -> None:
        self._open_line(event.line)

    def filter_text(self) -> str:
        return self._filter

    def on_filter(self, text: str) -> None:
        self._filter = text.strip()
        self._filter_error = self.view.set_filter(text.strip())
        self._tell_matches()
        self.tell()

    def _tell_matches(self) -> None:
        prompt = self.query_one(Prompt)
        if prompt.opened and prompt.mode is Mode.FILTER:
            prompt.note(self._filter_error or f"{self.view.shown:,} of {len(self.view.ring):,}")

    # keys

    def action_follow(self) -> None:
        self.view.action_toggle_follow()

    def action_wrap(self) -> None:
        self.view.toggle_wrap()
        self.tell()

    def action_columns(self) -> None:
        self.view.toggle_columns()
        self.tell()

    def action_patterns(self) -> None:
        from tui.screens.logpatterns import PatternsScreen

        def chosen(wanted: str | None) -> None:
            if wanted:
                self.on_filter(wanted)

        self.app.push_screen(PatternsScreen(self.target, self.view.ring, lambda: len(self._feed.sources), chosen))

    def action_line(self) -> None:
        if (line := self.view.top_line()) is not None:
            self._open_line(line)

    def _open_line(self, line: LogLine) -> None:
        from tui.logformat import pretty
        from tui.screens.text import TextScreen

        lines = [((cleaned(text), Tone.TEXT),) for text in pretty(line.text)]
        about = [part for part in (line.stamp, self._label(line.source).strip()) if part]
        head = [((f"{'  '.join(about)}", Tone.MUTED),), EMPTY] if about else []
        self.app.push_screen(TextScreen(replace(self.target, view=View.LOGS, title="line"), [*head, *lines]))

    def action_timestamps(self) -> None:
        self.view.toggle_timestamps()

    def action_previous(self) -> None:
        self._previous = not self._previous
        self._start()
        self.tell()

    def action_clear(self) -> None:
        self.view.clear()
        self.tell()

    def action_mark(self) -> None:
        now = self.session.clock.now().strftime("%H:%M:%S")
        self.view.add([LogLine(NOTE, "", now)])

    def action_range(self) -> None:
        def chosen(key: str | None) -> None:
            if key is not None:
                self.action_range_of(key)

        self.app.push_screen(
            PickDialog("How far back", [(k, f"{k}  {w}") for k, (w, _) in RANGES.items()], self._range), chosen
        )

    def action_range_of(self, key: str) -> None:
        self._range = key
        self._start()
        self.notify(f"Showing {RANGES[key][0]}.", timeout=2)

    def action_save(self) -> None:
        self.run_worker(self._save(self.view.text()), group="save", exclusive=True)

    async def _save(self, text: str) -> None:
        from tui.dumps import save_text

        name = self.target.title or self.target.name
        try:
            path = await asyncio.to_thread(
                save_text, text, self.session.access.context, name, self.session.now(), "log"
            )
        except OSError as error:
            self.notify(f"{error.filename}: {error.strerror}", severity="error", title="Save")
            return
        self.notify(f"Saved {text.count(chr(10)):,} lines to {path}")


def source_labels(sources: Sequence[Source]) -> list[str]:
    """Short names of one width: without what the pods have in common, with the container's only where it tells."""
    pods = [source.pod for source in sources]
    cut = _common_words(pods)
    several = len({source.container for source in sources}) > 1
    one_pod = len(set(pods)) == 1
    labels: list[str] = []
    for source in sources:
        pod = source.pod[cut:]
        label = source.container if one_pod else f"{pod} {source.container}" if several else pod
        labels.append(label)
    width = min(LABEL_WIDTH, max((len(label) for label in labels), default=0))
    return [label[:width].ljust(width) for label in labels]


def _common_words(names: Sequence[str]) -> int:
    """How many characters, up to a dash, all the names begin with; 0 when they are all one."""
    first, last = min(names, default=""), max(names, default="")
    if first == last:
        return 0
    same = next(i for i, char in enumerate(last) if i >= len(first) or first[i] != char)
    return first.rfind("-", 0, same) + 1
