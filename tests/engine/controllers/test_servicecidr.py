"""When ServiceCIDRs are ready, and when they may go."""

from datetime import timedelta
from typing import Any

import pytest

from apimachinery.objects.meta import ObjectMeta, format_time
from engine.controllers import servicecidr
from engine.controllers.actions import Action, Patch, RequeueAfter, SetStatus
from engine.controllers.ipaddress import ServiceCIDR, ServiceCIDRSpec, ServiceCIDRStatus
from engine.controllers.servicecidr import FINALIZER, IN_USE, READY, Observed
from engine.controllers.views import Condition
from tests.engine.controllers.objects import NOW


def network(*cidrs: str, gone_for: float = -1, ready: str = "", held: bool = True) -> ServiceCIDR:
    deleted = format_time(NOW - timedelta(seconds=gone_for)) if gone_for >= 0 else None
    told = {"True": ("", READY), "False": ("Terminating", IN_USE)}
    conditions = (
        (Condition(type="Ready", status=ready, reason=told[ready][0], message=told[ready][1]),) if ready else ()
    )
    return ServiceCIDR(
        metadata=ObjectMeta(
            name="extra", resource_version="1", deletion_timestamp=deleted, finalizers=(FINALIZER,) if held else ()
        ),
        spec=ServiceCIDRSpec(cidrs=cidrs or ("10.50.0.0/24",)),
        status=ServiceCIDRStatus(conditions=conditions),
    )


def shown(action: Action) -> Any:
    match action:
        case Patch():
            return action.body["metadata"]["finalizers"]
        case SetStatus():
            (ready,) = action.status["conditions"]
            return (ready["status"], ready["reason"], ready["message"])
        case RequeueAfter():
            return action.seconds
        case _:
            raise AssertionError(action)


@pytest.mark.parametrize(
    ("one", "others", "addresses", "expected"),
    [
        pytest.param(network(held=False), [], [], [[FINALIZER]], id="held first"),
        pytest.param(network(), [], [], [("True", "", READY)], id="then ready"),
        pytest.param(network(ready="True"), [], ["10.50.0.9"], [], id="settled"),
        pytest.param(
            network(gone_for=1, ready="True"), [], ["10.50.0.9"], [("False", "Terminating", IN_USE)], id="in use"
        ),
        pytest.param(network(gone_for=90, ready="False"), [], ["10.50.0.9"], [], id="waits"),
        pytest.param(network(gone_for=4, ready="True"), [], ["10.43.0.1"], [6.0], id="free, but others may not know"),
        pytest.param(network(gone_for=10, ready="True"), [], [], [[]], id="free"),
        pytest.param(
            network(gone_for=10, ready="True"), [network("10.50.0.0/16")], ["10.50.0.9"], [[]], id="others have them"
        ),
        pytest.param(
            network("10.50.0.0/24", "fd00::/112", gone_for=10, ready="False"),
            [network("10.50.0.0/16")],
            ["10.50.0.9", "fd00::7"],
            [],
            id="others have only some",
        ),
        pytest.param(network(gone_for=99, held=False), [], [], [], id="held by somebody else"),
    ],
)
def test_networks_are_kept_as_long_as_they_are_used(one: Any, others: Any, addresses: Any, expected: Any) -> None:
    observed = Observed(network=one, others=tuple(others), addresses=tuple(addresses), now=NOW)
    assert [shown(action) for action in servicecidr.plan(observed)] == expected
