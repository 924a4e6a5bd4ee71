"""How long machines may keep what they read."""

import pytest

from engine.controllers import nodettl
from engine.controllers.actions import Patch
from engine.controllers.views import Node
from tests.engine.controllers.objects import node


def annotated(value: str) -> Node:
    one = node("m1")
    one.metadata.annotations[nodettl.ANNOTATION] = value
    return one


def test_machine_is_told_once() -> None:
    (patch,) = nodettl.plan(nodettl.Observed(node=node("m1"), seconds=15))
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"annotations": {"node.alpha.kubernetes.io/ttl": "15"}}}
    assert nodettl.plan(nodettl.Observed(node=annotated("15"), seconds=15)) == []
    assert nodettl.plan(nodettl.Observed(node=annotated("15"), seconds=0)) != []


@pytest.mark.parametrize(
    ("machines", "current", "expected"),
    [(3, 0, 0), (100, 0, 0), (101, 0, 1), (95, 1, 1), (89, 1, 0), (5000, 0, 4), (3, 4, 0), (1000, 2, 2), (1001, 2, 3)],
)
def test_steps_overlap(machines: int, current: int, expected: int) -> None:
    assert nodettl.step_of(machines, current) == expected
