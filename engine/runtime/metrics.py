"""What the autoscaler asks of the API: scales, and what metrics.k8s.io says that pods use."""

from typing import Any

import msgspec

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects import quantity
from apimachinery.objects.errors import StatusError
from apimachinery.objects.meta import parse_time
from apimachinery.objects.resources import Resource
from engine.controllers.autoscaling.views import Measured, MetricsUnavailable, Scale

POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


class ApiMetrics:
    """Implements `engine.controllers.autoscaling.views.Metrics`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def pods(self, namespace: str, selector: str) -> dict[str, Measured]:
        try:
            page = await self._client.list(POD_METRICS, namespace, label_selector=selector)
        except (StatusError, ConnectionFailed) as error:
            raise MetricsUnavailable(str(error)) from error
        return {item["metadata"]["name"]: _measured(item) for item in page.items}

    async def scale(self, resource: Resource, namespace: str, name: str) -> Scale:
        answer = await self._client.call("GET", resource.path(namespace, name, "scale"))
        found: dict[str, Any] = msgspec.json.decode(answer)
        status: dict[str, Any] = found.get("status") or {}
        return Scale(
            resource=resource,
            wanted=(found.get("spec") or {}).get("replicas", 0),
            present=status.get("replicas", 0),
            selector=status.get("selector", ""),
        )


def _measured(item: dict[str, Any]) -> Measured:
    return Measured(
        moment=parse_time(item["timestamp"]),
        window=_seconds(item.get("window", "0s")),
        containers={
            container["name"]: {name: quantity.milli(amount) for name, amount in container.get("usage", {}).items()}
            for container in item.get("containers", ())
        },
    )


def _seconds(text: str) -> float:
    """A Go duration such as 15s or 1m0s."""
    total, number = 0.0, ""
    for letter in text:
        if letter in _UNITS:
            total += float(number or 0) * _UNITS[letter]
            number = ""
        else:
            number += letter
    return total
