"""What one machine uses, live: processor, memory, disk, network, as far as its agent tells."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
from textual.widget import Widget

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import NODES
from tui import amounts
from tui.document import EMPTY, Line, Span
from tui.feeds.metrics import NODE_METRICS
from tui.feeds.state import FeedState, Phase
from tui.graphs import area
from tui.kinds.machinestats import Reading, is_hot, reading
from tui.screens.base import ClusterScreen
from tui.target import Target, View
from tui.tones import Tone
from tui.widgets.hints import Hint
from tui.widgets.textview import TextView

PERIOD = 3.0
KEPT = 400
GRAPH = 4


def target_of(name: str) -> Target:
    return Target(resource=NODES, view=View.USAGE, name=name, title=f"{name} usage")


class MachineUsageScreen(ClusterScreen):
    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._readings: deque[Reading] = deque(maxlen=KEPT)
        self._node: dict[str, Any] = {}
        self._agent = True

    def body(self) -> Sequence[Widget]:
        self.view = TextView([((f"Asking {self.target.name} …", Tone.MUTED),)])
        return [self.view]

    def main_widget(self) -> Widget:
        return self.view

    def on_mount(self) -> None:
        super().on_mount()
        self.reconnect()

    def reconnect(self) -> None:
        self.run_worker(self._follow(), group="usage", exclusive=True, name=f"usage {self.target.name}")

    async def _follow(self) -> None:
        session = self.session
        while True:
            now = session.clock.monotonic()
            try:
                if not self._node:
                    self._node = await session.client.get(NODES, self.target.name)
                summary = await self._summary()
                self._readings.append(reading(summary, self._node, now, self._readings[-1] if self._readings else None))
                self.set_state(FeedState(phase=Phase.LIVE, since=now))
                self._draw()
            except (StatusError, ConnectionFailed, msgspec.MsgspecError) as error:
                code = error.code if isinstance(error, StatusError) else 0
                self.set_state(FeedState(phase=Phase.STALE if self._readings else Phase.CONNECTING, since=now,
                                         detail=str(error), code=code, retry_at=now + PERIOD))  # fmt: skip
                if not self._readings:
                    self.view.show([((f"{self.target.name} does not tell what it uses.", Tone.WARN),), EMPTY,
                                    ((str(error), Tone.MUTED),)])  # fmt: skip
            await session.clock.sleep(PERIOD)

    async def _summary(self) -> dict[str, Any]:
        """What its agent tells; where the way to it is not open, what metrics.k8s.io has of it."""
        client, name = self.session.client, self.target.name
        if self._agent:
            path = NODES.path(None, name, "proxy") + "/stats/summary"
            try:
                summary = msgspec.json.decode(await client.call("GET", path, timeout=PERIOD * 3))
                if "node" in summary:
                    return summary
            except StatusError:
                pass
            self._agent = False
        usage = (await client.get(NODE_METRICS, name)).get("usage") or {}
        return {
            "node": {
                "cpu": {"usageNanoCores": amounts.milli_of(usage.get("cpu")) * 1_000_000},
                "memory": {"workingSetBytes": amounts.bytes_of(usage.get("memory"))},
            }
        }

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._readings and self.shown:
            self.view.show(usage_lines(self._readings, max(20, self.view.size.width - 4)))

    def notes(self) -> Sequence[Span]:
        return [(f"every {PERIOD:.0f} s", Tone.MUTED)]

    def hints(self) -> Sequence[Hint]:
        return [Hint("Esc", "back", "back"), Hint("?", "help", "help")]


def usage_lines(readings: Sequence[Reading], width: int) -> list[Line]:
    """Newest at the right edge; a graph for what has a limit, and for what flows."""
    last = readings[-1]
    lines: list[Line] = []

    def graph(word: str, values: list[float], top: float, said: str, share: float | None) -> None:
        tone = Tone.OK if share is None or share < 75 else Tone.WARN if share < 90 else Tone.BAD
        lines.append(((f"{word}  ", Tone.HEADING), (said, tone)))
        lines.extend(((line, tone),) for line in area(values, width, GRAPH, top))
        lines.append((("─" * width, Tone.FAINT),))
        lines.append(EMPTY)

    cpu = amounts.percent(last.cpu, last.cpu_total)
    graph("CPU", [one.cpu for one in readings], last.cpu_total or max(one.cpu for one in readings) * 1.2,
          f"{cpu or ''}  {amounts.cores(int(last.cpu))} of {amounts.cores(int(last.cpu_total))}", cpu)  # fmt: skip
    memory = amounts.percent(last.memory, last.memory_total)
    graph("Memory", [one.memory for one in readings], last.memory_total or last.memory * 1.2,
          f"{memory or ''}  {amounts.size(last.memory)} of {amounts.size(last.memory_total)}", memory)  # fmt: skip
    if last.received is not None and last.sent is not None:
        flows = [(one.received or 0) + (one.sent or 0) for one in readings]
        said = f"{amounts.size(last.received)}/s in, {amounts.size(last.sent)}/s out"
        graph("Network", flows, max(*flows, 1.0) * 1.1, said, None)
    for word, used, total in last.disks:
        share = amounts.percent(used, total) or 0.0
        tone = Tone.OK if share < 75 else Tone.WARN if share < 90 else Tone.BAD
        lines.append(((f"{word}  ", Tone.HEADING), (f"{share}", tone),
                      (f"  {amounts.size(used)} of {amounts.size(total)}", Tone.MUTED)))  # fmt: skip
    for word, degrees, critical in last.temperatures:
        limit = f"  of {critical:.0f} °C" if critical else ""
        tone = Tone.WARN if is_hot(degrees, critical) else Tone.OK
        lines.append(((f"{word}  ", Tone.HEADING), (f"{degrees:.0f} °C", tone), (limit, Tone.MUTED)))
    if last.slowed:
        lines.append((("Slowed down  ", Tone.HEADING), (", ".join(last.slowed), Tone.BAD)))
    elif last.slowed_before:
        lines.append((("Was slowed down since it started  ", Tone.HEADING), (", ".join(last.slowed_before), Tone.WARN)))
    untold = [
        word
        for word, told in (("disk", last.disks), ("network", last.rx_bytes), ("temperature", last.temperatures))
        if not told
    ]
    if untold:
        lines.append(((f"Not told here: {', '.join(untold)}.", Tone.FAINT),))
    return lines
