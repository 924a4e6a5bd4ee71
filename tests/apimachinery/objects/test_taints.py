"""Which taint a pod puts up with, and for how long."""

import pytest

from apimachinery.objects.taints import Taint, Toleration, first_untolerated, seconds_tolerated

TAINT = Taint("k", "NoExecute", value="v")


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        pytest.param(Toleration(key="k", value="v"), True, id="equal by default"),
        pytest.param(Toleration(key="k", operator="Equal", value="v", effect="NoExecute"), True, id="equal"),
        pytest.param(Toleration(key="k", operator="Equal", value="w"), False, id="another value"),
        pytest.param(Toleration(key="k", operator="Exists"), True, id="exists"),
        pytest.param(Toleration(key="l", operator="Exists"), False, id="another key"),
        pytest.param(Toleration(operator="Exists"), True, id="everything"),
        pytest.param(Toleration(operator="Exists", effect="NoSchedule"), False, id="another effect"),
        pytest.param(Toleration(key="k", operator="Lt", value="v"), False, id="an operator of tomorrow"),
    ],
)
def test_tolerates(toleration: Toleration, expected: bool) -> None:
    assert toleration.tolerates(TAINT) is expected


def test_first_untolerated_taint_of_an_effect_is_named() -> None:
    taints = [Taint("a", "PreferNoSchedule"), Taint("b", "NoSchedule"), Taint("c", "NoSchedule")]
    tolerations = (Toleration(key="b", operator="Exists"),)
    assert first_untolerated(taints, tolerations, ("NoSchedule", "NoExecute")) == taints[2]
    assert first_untolerated(taints[:2], tolerations, ("NoSchedule",)) is None


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param((), 0.0, id="not tolerated"),
        pytest.param((None,), None, id="for ever"),
        pytest.param((30,), 30.0, id="for a while"),
        pytest.param((30, 10, None), 10.0, id="the shortest counts"),
        pytest.param((-5,), 0.0, id="less than nothing is nothing"),
    ],
)
def test_seconds_tolerated(seconds: tuple[int | None, ...], expected: float | None) -> None:
    tolerations = tuple(Toleration(key="k", operator="Exists", toleration_seconds=s) for s in seconds)
    assert seconds_tolerated([TAINT], tolerations) == expected


def test_pod_on_an_untainted_machine_stays_for_ever() -> None:
    assert seconds_tolerated([], ()) is None
