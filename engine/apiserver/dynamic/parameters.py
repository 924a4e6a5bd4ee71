"""The objects that bindings of policies name as parameters.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_dispatcher.go, CollectParams.
"""

from __future__ import annotations

from engine.apiserver.custom.converter import Converter
from engine.apiserver.custom.table import CustomKinds
from engine.apiserver.dynamic.policies import Misconfigured
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.registry.labelselector import matches
from engine.store.protocol import Store


class Parameters:
    """Found in one store."""

    def __init__(self, store: Store, kinds: CustomKinds, converter: Converter) -> None:
        self._store = store
        self._kinds = kinds
        self._converter = converter

    async def find(self, wanted: Json, reference: Json, namespace: str) -> list[Json]:
        """See policies.FindParams."""
        kind = self._kind(wanted)
        where = reference.get("namespace") or ""
        if not kind.namespaced and where:
            raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        where = where or namespace
        if kind.namespaced and not where:
            raise Misconfigured(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            )
        if reference.get("name"):
            record = self._store.get(kind.key(where, reference["name"]))
            return [await self._converter.read(kind, record)] if record is not None else []
        prefix = f"{kind.storage_prefix}{where}/" if kind.namespaced else kind.storage_prefix
        objects = [await self._converter.read(kind, record) for record in self._store.list(prefix).records]
        return [one for one in objects if matches(reference.get("selector"), one["metadata"].get("labels") or {})]

    def _kind(self, wanted: Json) -> Kind:
        group, _, version = str(wanted.get("apiVersion", "")).rpartition("/")
        name = wanted.get("kind", "")
        for kind in self._kinds.kinds():
            if (kind.group, kind.version, kind.kind) == (group, version, name):
                return kind
        raise Misconfigured(
            f"failed to find resource referenced by paramKind: '{group}/{version}, Kind={name}'", policy=True
        )
