"""The agent's own metrics in Prometheus' text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from nodeagent.cri.types import Container


def metrics_text(restarts: Mapping[str, int], containers: Iterable[Container]) -> str:
    """`restarts` counts how often each supervised part had to be started again."""
    states = Counter(container.state.value for container in containers)
    lines = [
        "# HELP kubelet_running_containers Number of containers by state.",
        "# TYPE kubelet_running_containers gauge",
        *(f'kubelet_running_containers{{container_state="{state}"}} {n}' for state, n in sorted(states.items())),
        "# HELP pilothouse_agent_task_restarts_total Restarts of the agent's supervised parts.",
        "# TYPE pilothouse_agent_task_restarts_total counter",
        *(f'pilothouse_agent_task_restarts_total{{task="{name}"}} {n}' for name, n in sorted(restarts.items())),
    ]
    return "\n".join(lines) + "\n"
