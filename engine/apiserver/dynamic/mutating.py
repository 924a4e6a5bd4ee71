"""MutatingAdmissionPolicy: what an object becomes by expressions in CEL. Pure but for the clock of its budget.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/mutating.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apimachinery.objects import patch_json
from apimachinery.objects.errors import Forbidden
from apimachinery.objects.patch import PatchError
from engine.apiserver.cel.building import finished, type_of
from engine.apiserver.cel.program import CelError
from engine.apiserver.custom.structural import copied
from engine.apiserver.dynamic.environment import Environment
from engine.apiserver.dynamic.policies import Failure
from engine.apiserver.fieldmanagement.merging import merge
from engine.apiserver.fieldmanagement.shapes import Listing, MapOf, Shape, Struct, shape_of
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json


class CannotMutate(Exception):
    """A mutation that failed; the text is for the user."""


def mutated(mutation: Json, environment: Environment, obj: Json, write: Write) -> Json:
    """The write's object after one mutation, a new one. Raises CannotMutate."""
    try:
        if mutation.get("patchType") == "JSONPatch":
            return _patched(environment.result((mutation.get("jsonPatch") or {}).get("expression", "")), obj)
        built = environment.result((mutation.get("applyConfiguration") or {}).get("expression", ""))
        if type_of(built) != "Object":
            kind_found = type_of(built) or type(built).__name__
            raise CannotMutate(f"unsupported return type from ApplyConfiguration expression: {kind_found}")
        return _applied(finished(built), obj, _shape(write))
    except (CelError, ValueError) as error:
        raise CannotMutate(str(error)) from error


def _patched(operations: Any, obj: Json) -> Json:
    if not isinstance(operations, list):
        raise CannotMutate("type mismatch: JSONPatchType.expression should evaluate to array")
    patch: list[Json] = []
    for operation in operations:
        if type_of(operation) != "JSONPatch":
            raise CannotMutate("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch")
        made = {name: value for name, value in operation.items() if name in ("op", "path", "from")}
        if "value" in operation:
            made["value"] = finished(operation["value"])
        patch.append(made)
    try:
        return patch_json.apply(copied(obj), patch)
    except PatchError as error:
        if any(operation["op"] == "test" for operation in patch) and "testing" in str(error):
            # A test that does not hold leaves the object as it is.
            return obj
        raise CannotMutate(f"JSONPath: {error}") from error


def _shape(write: Write) -> Struct:
    kind = write.kind
    if write.object_type is not None:
        return shape_of(*write.object_type)
    return kind.shape() if kind.shape is not None else shape_of(kind.group, kind.version, kind.kind)


def _applied(config: Json, obj: Json, shape: Struct) -> Json:
    try:
        unknown = next(_unknown(shape, config, ""), "")
        if unknown:
            raise CannotMutate(
                "error applying patch: failed to convert patch object to typed object:"
                f" {unknown}: field not declared in schema"
            )
        atomic = list(_atomics(shape, config, ""))
    except RecursionError as error:
        raise CannotMutate("error applying patch: the object is nested too deeply") from error
    if atomic:
        raise CannotMutate(
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs:"
            f" {', '.join(atomic)}"
        )
    return copied(merge(shape, obj, config))


# Of metadata, but nobody's to own: known all the same.
_SERVERS_OWN = frozenset(
    {"name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"}
)


def _unknown(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, Struct) and type(value) is dict:
        for name, inner in value.items():
            below = shape.fields.get(name)
            if below is not None:
                yield from _unknown(below, inner, f"{path}.{name}")
            elif not (not path and name in ("apiVersion", "kind")) and not (
                path == ".metadata" and name in _SERVERS_OWN
            ):
                yield f"{path}.{name}"
    elif isinstance(shape, MapOf) and type(value) is dict:
        for name, inner in value.items():
            yield from _unknown(shape.item, inner, f"{path}.{name}")
    elif isinstance(shape, Listing) and type(value) is list:
        for at, inner in enumerate(value):
            yield from _unknown(shape.item, inner, f"{path}[{at}]")


def _atomics(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, Struct) and type(value) is dict:
        for name, inner in value.items():
            below = shape.fields.get(name)
            if below is not None:
                yield from _atomics(below, inner, f"{path}.{name}")
    elif isinstance(shape, Listing) and type(value) is list:
        for at, inner in enumerate(value):
            yield from _atomics(shape.item, inner, f"{path}[{at}]")
    elif not isinstance(shape, (MapOf, Listing)) and type(value) in (dict, list):
        yield path


def refusal(write: Write, failures: list[Failure]) -> Forbidden:
    """The error for policies that failed: the first counts, all are causes."""
    said = [
        f"policy '{failure.policy['metadata']['name']}' with binding '{failure.binding['metadata']['name']}'"
        f" denied request: {failure.text}"
        if failure.binding is not None
        else f'policy "{failure.policy["metadata"]["name"]}" denied request: {failure.text}'
        for failure in failures
    ]
    refused = write.forbidden("admission request denied by policy")
    details = {**(refused.details or {}), "causes": [{"message": text} for text in said]}
    reason = "Forbidden" if failures[0].text.startswith("failed to configure") else "Invalid"
    return Forbidden(said[0], reason=reason, details=details)
