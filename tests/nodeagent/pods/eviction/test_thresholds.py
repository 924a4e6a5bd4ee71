"""When the machine has too little."""

from __future__ import annotations

import pytest

from nodeagent.config import EVICTION_HARD
from nodeagent.pods.eviction.thresholds import Judge, Observation, Threshold, duration, refusal, thresholds

MI = 2**20


def seen(**available: int) -> dict[str, Observation]:
    names = {"memory": "memory.available", "disk": "nodefs.available", "pids": "pid.available"}
    return {names[name]: Observation(available=left, capacity=1000 * MI) for name, left in available.items()}


def judge(*known: Threshold, transition: float = 300.0) -> Judge:
    return Judge(known or thresholds(EVICTION_HARD, {}, {}, {}), transition)


def test_the_defaults_are_the_kubelets() -> None:
    found = {t.signal: t.amount(1000 * MI) for t in thresholds(EVICTION_HARD, {}, {}, {})}
    assert found == {
        "memory.available": 100 * MI,
        "nodefs.available": 100 * MI,
        "nodefs.inodesFree": 50 * MI,
        "imagefs.available": 150 * MI,
        "imagefs.inodesFree": 50 * MI,
    }


@pytest.mark.parametrize(
    ("hard", "soft", "problem"),
    [
        pytest.param({"cpu.available": "1"}, {}, "unsupported eviction signal cpu.available", id="no such signal"),
        pytest.param({}, {"memory.available": "1Gi"}, "grace period must be specified", id="soft without grace"),
        pytest.param({"memory.available": "much"}, {}, "quantities must match", id="no quantity"),
    ],
)
def test_settings_that_cannot_be(hard: dict[str, str], soft: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        thresholds(hard, soft, {}, {})


def test_zero_switches_a_threshold_off() -> None:
    assert thresholds({"memory.available": "0", "nodefs.available": "0%"}, {}, {}, {}) == ()


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("1m30s", 90.0), ("2h", 7200.0), ("500ms", 0.5)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


def test_enough_is_enough() -> None:
    verdict = judge().judge(seen(memory=100 * MI, disk=100 * MI), 0.0)
    assert (verdict.starved, verdict.conditions) == ((), frozenset())


def test_memory_comes_before_the_disk() -> None:
    verdict = judge().judge(seen(memory=99 * MI, disk=99 * MI), 0.0)
    assert [t.signal for t in verdict.starved] == ["memory.available", "nodefs.available"]
    assert verdict.conditions == {"MemoryPressure", "DiskPressure"}


def test_a_condition_stays_for_a_while_after_the_shortage() -> None:
    one = judge(transition=300.0)
    assert one.judge(seen(memory=1), 1000.0).conditions == {"MemoryPressure"}
    later = one.judge(seen(memory=500 * MI), 1299.0)
    assert (later.starved, later.conditions) == ((), {"MemoryPressure"})
    assert one.judge(seen(memory=500 * MI), 1300.0).conditions == frozenset()


def test_a_soft_threshold_is_acted_on_only_after_its_grace() -> None:
    soft = Threshold(signal="memory.available", value="200Mi", grace=60.0)
    one = judge(soft)
    first = one.judge(seen(memory=150 * MI), 0.0)
    assert (first.starved, first.conditions) == ((), {"MemoryPressure"})
    assert one.judge(seen(memory=150 * MI), 60.0).starved == (soft,)
    assert one.judge(seen(memory=250 * MI), 61.0).starved == ()
    assert one.judge(seen(memory=150 * MI), 62.0).starved == ()


def test_once_short_more_than_the_threshold_is_asked_for() -> None:
    one = judge(Threshold(signal="nodefs.available", value="10%", reclaim="50Mi"))
    assert one.judge(seen(disk=120 * MI), 0.0).starved == ()
    assert one.judge(seen(disk=90 * MI), 1.0).starved
    assert one.judge(seen(disk=149 * MI), 2.0).starved
    assert one.judge(seen(disk=150 * MI), 3.0).starved == ()


def test_what_was_not_measured_is_not_short() -> None:
    assert judge().judge({}, 0.0).starved == ()


@pytest.mark.parametrize(
    ("conditions", "critical", "best_effort", "tolerates", "refused"),
    [
        pytest.param([], False, True, False, "", id="nothing is short"),
        pytest.param(["MemoryPressure"], False, False, False, "", id="who asked for memory may come"),
        pytest.param(["MemoryPressure"], False, True, True, "", id="who tolerates it may come"),
        pytest.param(
            ["MemoryPressure"], False, True, False, "The node had condition: [MemoryPressure]. ", id="best effort"
        ),
        pytest.param(["DiskPressure"], False, False, True, "The node had condition: [DiskPressure]. ", id="the disk"),
        pytest.param(
            ["PIDPressure", "MemoryPressure"], False, False, False,
            "The node had condition: [MemoryPressure PIDPressure]. ", id="both",
        ),
        pytest.param(["DiskPressure"], True, True, False, "", id="critical"),
    ],
)  # fmt: skip
def test_who_may_still_come(
    conditions: list[str], critical: bool, best_effort: bool, tolerates: bool, refused: str
) -> None:
    found = refusal(conditions, is_critical=critical, is_best_effort=best_effort, tolerates_memory=tolerates)
    assert found == refused
