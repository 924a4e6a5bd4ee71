"""Actions as kubectl lines."""

import pytest

from apimachinery.objects.resources import CRONJOBS, DEPLOYMENTS, NODES, PODS, Resource
from tests.tui.driving import Start, said
from tests.tui.screens.test_operating import press
from tui.kinds.catalog import lenses
from tui.kinds.lens import Action
from tui.kinds.teaching import line
from tui.rows import Row

BOATS = Resource("example.com", "v1", "boats", "Boat", True, singular="boat")


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        pytest.param(Action.SCALE, DEPLOYMENTS, "-n shop scale deployment/web --replicas=3", id="scale"),
        pytest.param(Action.LOGS, DEPLOYMENTS, "-n shop logs -f deployment/web --all-containers --all-pods", id="logs"),
        pytest.param(Action.LOGS, PODS, "-n shop logs -f pod/web --all-containers", id="pod-logs"),
        pytest.param(Action.TRANSFER, PODS, "cp shop/web:PATH PATH", id="cp"),
        pytest.param(Action.TRIGGER, CRONJOBS, "-n shop create job web-now --from=cronjob/web", id="trigger"),
        pytest.param(Action.YAML, BOATS, "-n shop get boat.example.com/web -o yaml", id="custom"),
    ],
)
def test_an_action_is_told_as_kubectl_does_it(action: Action, resource: Resource, expected: str) -> None:
    assert line(action, resource, Row("u", "shop", "web", ()), "lab") == f"kubectl --context lab {expected}"


def test_a_machine_has_no_namespace_and_names_are_quoted() -> None:
    node = Row("u", "", "m1", ())
    assert line(Action.SHELL, NODES, node, "my lab") == (
        "kubectl --context 'my lab' debug -it node/m1 --image=busybox:1.37"
    )


def test_every_line_can_be_made_for_every_kind() -> None:
    row = Row("u", "ns", "name", ())
    for lens in lenses():
        for action in lens.actions:
            assert "{" not in line(action, lens.resource, row, "lab").replace('{"spec":{"suspend":true}}', "")


async def test_k_shows_the_lines_of_what_can_be_done_here(start: Start) -> None:
    async with start(size=(120, 50)) as pilot:
        await press(pilot, "j", "K")
        text = said(pilot)
        assert "kubectl --context lab -n default delete pod/mailer-5d4c-x8k2v" in text
        assert "^d delete" in text
