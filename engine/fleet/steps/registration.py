"""The Node object: how to reach the machine stands in its annotations, and makes the engine keep a link to it."""

from __future__ import annotations

from typing import Any

from apimachinery.objects.errors import AlreadyExists, NotFound
from apimachinery.objects.resources import NODES
from engine.fleet.nodes import MACHINE_LABEL, NodeView, annotations_for
from engine.fleet.steps.step import Joining


class Registration:
    name = "node"
    title = "Register the node"

    async def check(self, joining: Joining) -> bool:
        try:
            node = await joining.client.get(NODES, joining.name, view=NodeView)
        except NotFound:
            return False
        wanted = annotations_for(joining.site.connection.hops)
        labels = _labels(joining)
        return wanted.items() <= node.metadata.annotations.items() and labels.items() <= node.metadata.labels.items()

    async def apply(self, joining: Joining) -> None:
        metadata = {
            "name": joining.name,
            "labels": _labels(joining),
            "annotations": annotations_for(joining.site.connection.hops),
        }
        taints = [_taint(taint.key, taint.value, taint.effect) for taint in joining.options.taints]
        node: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
        if taints:
            node["spec"] = {"taints": taints}
        try:
            await joining.client.create(NODES, node)
        except AlreadyExists:
            await joining.client.patch(
                NODES, joining.name, {"metadata": {k: metadata[k] for k in ("labels", "annotations")}}
            )


def _labels(joining: Joining) -> dict[str, str]:
    arch = joining.site.facts.arch
    return {
        "kubernetes.io/hostname": joining.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        MACHINE_LABEL: joining.name,
        **joining.options.labels,
    }


def _taint(key: str, value: str, effect: str) -> dict[str, str]:
    taint = {"key": key, "value": value, "effect": effect}
    return {name: text for name, text in taint.items() if text}
