"""What the machines used over the last while: samples that outlive the screen that shows them."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tui.usagecells import Budget, Usage

KEPT = 240
"""Samples: an hour, at one each fifteen seconds."""


@dataclass(slots=True)
class UsageHistory:
    """Of the whole cluster; `cpu` in thousandths of a core, `memory` in bytes, and how much there is of both."""

    cpu: deque[float] = field(default_factory=lambda: deque[float](maxlen=KEPT))
    memory: deque[float] = field(default_factory=lambda: deque[float](maxlen=KEPT))
    cpu_total: int = 0
    memory_total: int = 0

    def add(self, usage: Mapping[str, Usage], budgets: Mapping[str, Budget]) -> None:
        self.cpu.append(sum(one.cpu for one in usage.values()))
        self.memory.append(sum(one.memory for one in usage.values()))
        self.cpu_total = sum(one.cpu_limit for one in budgets.values())
        self.memory_total = sum(one.memory_limit for one in budgets.values())
