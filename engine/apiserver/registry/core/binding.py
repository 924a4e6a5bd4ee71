"""Binding: a pod's way to its machine, told to the namespace in place of the pod (see engine.apiserver.binding)."""

from __future__ import annotations

from engine.apiserver.registry.kind import Kind

BINDING = Kind(
    group="",
    version="v1",
    kind="Binding",
    plural="bindings",
    singular="binding",
    namespaced=True,
    verbs=("create",),
)
