"""What the autoscaler asks of the API: scales, what metrics.k8s.io says that pods use, and what adapters know.

Custom and external metrics come from whoever serves custom.metrics.k8s.io and external.metrics.k8s.io, such as
prometheus-adapter, by an APIService.
"""

from typing import Any
from urllib.parse import quote

import msgspec

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects import quantity
from apimachinery.objects.errors import NotFound, StatusError
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

    async def of_pods(self, namespace: str, selector: str, metric: str, labels: str) -> dict[str, int]:
        query = {"labelSelector": selector, **({"metricLabelSelector": labels} if labels else {})}
        items = await self._custom(f"namespaces/{namespace}/pods/*/{quote(metric)}", query)
        return {item["describedObject"]["name"]: quantity.milli(item["value"]) for item in items}

    async def of_object(self, resource: Resource, namespace: str, name: str, metric: str, labels: str) -> int:
        if resource.plural == "namespaces":
            path = f"namespaces/{quote(name)}/metrics/{quote(metric)}"
        else:
            path = f"namespaces/{namespace}/{resource.qualified}/{quote(name)}/{quote(metric)}"
        items = await self._custom(path, {"metricLabelSelector": labels} if labels else {})
        return quantity.milli(items[0]["value"])

    async def external(self, namespace: str, metric: str, labels: str) -> int:
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{quote(metric)}"
        try:
            items = await self._items(path, {"labelSelector": labels} if labels else {})
        except (StatusError, ConnectionFailed) as error:
            raise MetricsUnavailable(f"unable to fetch metrics from external metrics API: {error}") from error
        if not items:
            raise MetricsUnavailable("no metrics returned from external metrics API")
        return sum(quantity.milli(item["value"]) for item in items)

    async def _custom(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        """At least one item. The newer version is asked first."""
        try:
            try:
                items = await self._items(f"/apis/custom.metrics.k8s.io/v1beta2/{path}", query)
            except NotFound:
                items = await self._items(f"/apis/custom.metrics.k8s.io/v1beta1/{path}", query)
        except (StatusError, ConnectionFailed) as error:
            raise MetricsUnavailable(f"unable to fetch metrics from custom metrics API: {error}") from error
        if not items:
            raise MetricsUnavailable("no metrics returned from custom metrics API")
        return items

    async def _items(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        answer = await self._client.call("GET", path, query=tuple(query.items()))
        return msgspec.json.decode(answer).get("items") or []

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
