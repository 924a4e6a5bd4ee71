"""What the containers of a pod ask for together. Source: k8s.io/component-helpers/resource/helpers.go."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from apimachinery.objects import quantity

Json = dict[str, Any]
Side = Literal["requests", "limits"]
Amounts = dict[str, Decimal]


def of_container(container: Json, side: Side) -> Amounts:
    """One container's requests or limits."""
    resources: dict[str, str] = (container.get("resources") or {}).get(side) or {}
    return {name: quantity.parse(amount) for name, amount in resources.items()}


def of_pod(spec: Json, side: Side) -> Amounts:
    """A whole pod's: containers and sidecars added up, or more where an init container needs more for itself."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, of_container(container, side))
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = of_container(container, side)
        if container.get("restartPolicy") == "Always":
            _add(total, own)
            _add(sidecars, own)
            _raise_to(most, sidecars)
        else:
            while_it_runs = dict(sidecars)
            _add(while_it_runs, own)
            _raise_to(most, while_it_runs)
    _raise_to(total, most)
    whole: dict[str, str] = (spec.get("resources") or {}).get(side) or {}
    total.update({name: quantity.parse(amount) for name, amount in whole.items()})
    overhead: dict[str, str] = spec.get("overhead") or {}
    for name, amount in overhead.items():
        if side == "requests" or name in total:
            total[name] = total.get(name, Decimal(0)) + quantity.parse(amount)
    return total


def _add(total: Amounts, amounts: Amounts) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, Decimal(0)) + amount


def _raise_to(total: Amounts, amounts: Amounts) -> None:
    for name, amount in amounts.items():
        total[name] = max(total.get(name, amount), amount)
