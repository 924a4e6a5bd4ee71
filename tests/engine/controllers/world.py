"""The objects of one namespace, held as the API holds them: carries out plans, so that plans can be followed to their end."""

import copy
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from apimachinery.objects import patch_merge, patch_strategic
from apimachinery.objects.meta import Object, format_time
from apimachinery.objects.resources import PODS, Resource
from engine.controllers.actions import Action, Create, Delete, Emit, Patch, RequeueAfter, SetStatus
from tests.engine.controllers.objects import NOW

Json = dict[str, Any]
T = TypeVar("T", bound=Object)


class _Metadata:
    """What a strategic merge patch must know to change owners and finalizers."""

    def field(self, name: str) -> patch_strategic.Field | None:
        if name == "ownerReferences":
            return patch_strategic.Field(merges=True, merge_key="uid")
        return patch_strategic.Field(merges=True) if name == "finalizers" else None


class _Schema:
    def field(self, name: str) -> patch_strategic.Field | None:
        return patch_strategic.Field(schema=_Metadata()) if name == "metadata" else None


class World:
    """`stale` writes (of an older resource version) are refused, as are creations of what is there."""

    def __init__(self) -> None:
        self.now: datetime = NOW
        self.events: list[str] = []
        self._objects: dict[tuple[Resource, str], Json] = {}
        self._numbers = itertools.count(1)

    def add(self, resource: Resource, obj: Json) -> Json:
        meta = obj["metadata"] = dict(obj["metadata"])
        number = next(self._numbers)
        meta.setdefault("namespace", "default")
        if "name" not in meta:
            meta["name"] = f"{meta['generateName']}{number}"
        meta |= {"uid": f"uid-{number}", "creationTimestamp": format_time(self.now), "generation": 1}
        obj.setdefault("status", {"phase": "Pending"} if resource == PODS else {})
        assert (resource, meta["name"]) not in self._objects, f"{meta['name']} is there already"
        return self._store(resource, obj)

    def list(self, resource: Resource, view: type[T]) -> tuple[T, ...]:
        return tuple(
            msgspec.json.decode(msgspec.json.encode(obj), type=view)
            for (kind, _), obj in self._objects.items()
            if kind == resource
        )

    def get(self, resource: Resource, name: str, view: type[T]) -> T:
        return msgspec.json.decode(msgspec.json.encode(self._objects[resource, name]), type=view)

    def objects(self, resource: Resource) -> Sequence[Json]:
        return [obj for (kind, _), obj in self._objects.items() if kind == resource]

    def spec(self, resource: Resource, name: str, **fields: Any) -> None:
        obj = self._objects[resource, name]
        meta = {**obj["metadata"], "generation": obj["metadata"]["generation"] + 1}
        self._store(resource, {**obj, "metadata": meta, "spec": {**obj["spec"], **fields}})

    def status(self, resource: Resource, name: str, **fields: Any) -> None:
        obj = self._objects[resource, name]
        self._store(resource, {**obj, "status": {**obj["status"], **fields}})

    def carry_out(self, actions: Sequence[Action], *, only: int | None = None) -> None:
        """All of a plan; or its first `only` writes, as when the engine dies meanwhile."""
        for action in actions[:only]:
            match action:
                case Create():
                    self.add(action.resource, dict(action.body))
                case Patch():
                    self._patch(action)
                case Delete():
                    self.delete(action.resource, action.name, action.uid)
                case SetStatus():
                    self._set_status(action)
                case Emit():
                    self.events.append(action.note.reason)
                case RequeueAfter():
                    pass
                case _:
                    raise AssertionError(action)

    def delete(self, resource: Resource, name: str, uid: str = "") -> None:
        """Pods leave in two steps, as do objects with finalizers."""
        obj = self._objects.get((resource, name))
        if obj is None or (uid and obj["metadata"]["uid"] != uid):
            return
        meta = obj["metadata"]
        if resource == PODS or meta.get("finalizers"):
            marked = {**meta, "deletionTimestamp": meta.get("deletionTimestamp") or format_time(self.now)}
            self._store(resource, {**obj, "metadata": marked})
        else:
            del self._objects[resource, name]

    def copy(self) -> "World":
        """Another, in which from here on something else may happen."""
        return copy.deepcopy(self)

    # What kubelets do

    def run(self, name: str) -> None:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": format_time(self.now)}
        self.status(PODS, name, phase="Running", conditions=[ready])

    def end(self, name: str, phase: str = "Succeeded", exit_code: int = 0) -> None:
        terminated = {"exitCode": exit_code, "finishedAt": format_time(self.now)}
        state = {"name": "c", "state": {"terminated": terminated}}
        self.status(PODS, name, phase=phase, conditions=[], containerStatuses=[state])

    def remove_leaving(self, name: str) -> None:
        """The pod's containers have stopped: it goes, unless a finalizer holds it."""
        obj = self._objects[PODS, name]
        meta = obj["metadata"]
        if not meta.get("deletionTimestamp"):
            return
        if meta.get("finalizers"):
            if obj["status"]["phase"] not in ("Succeeded", "Failed"):
                self.status(PODS, name, phase="Failed", conditions=[])
        else:
            del self._objects[PODS, name]

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def _patch(self, action: Patch) -> None:
        obj = self._objects.get((action.resource, action.name))
        if obj is None or (action.uid and obj["metadata"]["uid"] != action.uid):
            return
        if action.resource_version and obj["metadata"]["resourceVersion"] != action.resource_version:
            return
        if action.kind == "strategic":
            patched = patch_strategic.apply(obj, action.body, _Schema())
        else:
            patched = patch_merge.apply(obj, action.body)
        self._store(action.resource, patched)

    def _set_status(self, action: SetStatus) -> None:
        obj = self._objects[action.resource, action.name]
        meta = obj["metadata"]
        if meta["resourceVersion"] != action.resource_version:
            return
        if action.annotations:
            meta = {**meta, "annotations": {**meta.get("annotations", {}), **action.annotations}}
        status = patch_merge.apply(obj["status"], action.status)
        self._store(action.resource, {**obj, "metadata": meta, "status": status})

    def _store(self, resource: Resource, obj: Json) -> Json:
        meta = {**obj["metadata"], "resourceVersion": str(next(self._numbers))}
        stored = {**obj, "metadata": meta}
        self._objects[resource, meta["name"]] = stored
        if resource == PODS and meta.get("deletionTimestamp") and not meta.get("finalizers"):
            phase = stored["status"].get("phase")
            if phase in ("Succeeded", "Failed"):
                del self._objects[resource, meta["name"]]
        return stored
