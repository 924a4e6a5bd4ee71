"""What of the machine is kept from pods: reservations and eviction thresholds, between settings and measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from apimachinery.objects import quantity
from nodeagent.config import AgentConfig, ConfigError
from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.runtime import Runtime
from nodeagent.pods.eviction.thresholds import DISK, MEMORY, Observation, Threshold, thresholds
from nodeagent.stats.machine import Capacity, Pressure, Reserved


def eviction_thresholds(config: AgentConfig) -> tuple[Threshold, ...]:
    """Raises ConfigError."""
    try:
        return thresholds(
            config.eviction_hard,
            config.eviction_soft,
            config.eviction_soft_grace_period,
            config.eviction_minimum_reclaim,
        )
    except ValueError as error:
        raise ConfigError(f"eviction: {error}") from error


def with_reserves(config: AgentConfig, known: tuple[Threshold, ...], capacity: Capacity) -> Capacity:
    """The same machine, with what its pods may not count on."""
    hard = {threshold.signal: threshold for threshold in known if threshold.grace is None}

    def kept(signal: str, of: int) -> int:
        return hard[signal].amount(of) if signal in hard else 0

    return replace(
        capacity,
        reserved=Reserved(
            cpu=_reserved(config, "cpu", quantity.milli),
            memory=_reserved(config, "memory", quantity.value) + kept(MEMORY, capacity.memory),
            disk=_reserved(config, "ephemeral-storage", quantity.value) + kept(DISK, capacity.disk),
        ),
    )


def memory_for_pods(config: AgentConfig, capacity: Capacity) -> int | None:
    """Bytes that all pods may use together; None where nothing is reserved for others."""
    reserved = _reserved(config, "memory", quantity.value)
    return max(capacity.memory - reserved, 0) if reserved else None


def pressure(conditions: frozenset[str]) -> Pressure:
    return Pressure(
        memory="MemoryPressure" in conditions, disk="DiskPressure" in conditions, pids="PIDPressure" in conditions
    )


class Signals:
    """Looks at the machine for what evictions go by; `measure` is told where pods and images lie."""

    def __init__(
        self,
        runtime: Runtime,
        pods: Path,
        measure: Callable[[Path, Path | None], Mapping[str, tuple[int, int]]],
    ) -> None:
        self._runtime = runtime
        self._pods = pods
        self._measure = measure
        self._images: Path | None = None

    async def observe(self) -> dict[str, Observation]:
        if self._images is None:
            try:
                folder, _ = await self._runtime.image_bytes()
                self._images = Path(folder) if folder else None
            except RuntimeFailure:
                self._images = None  # it does not answer yet; images are looked at once it does
        found = self._measure(self._pods, self._images)
        return {name: Observation(available=left, capacity=whole) for name, (left, whole) in found.items()}


def _reserved(config: AgentConfig, name: str, read: Callable[[str], int]) -> int:
    return sum(read(amounts[name]) for amounts in (config.system_reserved, config.kube_reserved) if name in amounts)
