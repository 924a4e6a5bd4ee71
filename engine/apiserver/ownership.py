"""What a request means for the owners of an object's fields: who writes, what is recorded, what an apply makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apimachinery.objects.errors import BadRequest, InternalError
from apimachinery.objects.meta import format_time
from engine.apiserver.call import Call
from engine.apiserver.custom.converter import Converter
from engine.apiserver.fieldmanagement import owners, tracking
from engine.apiserver.fieldmanagement.owners import Stamp
from engine.apiserver.fieldmanagement.problems import Untyped
from engine.apiserver.fieldmanagement.shapes import Struct, shape_of
from engine.apiserver.fieldmanagement.versions import Served, Versions
from engine.apiserver.registry.kind import Kind
from engine.apiserver.schema import decode as schema

Json = dict[str, Any]

_UNKNOWN = 'unknown field "'


def record_create(call: Call, obj: Json) -> None:
    """Note on a new object, admitted and not yet prepared, who made it."""
    metadata = obj["metadata"]
    metadata.pop("managedFields", None)
    shown = {key: value for key, value in obj.items() if key != "status"} if _has_status(call) else obj
    metadata["managedFields"] = tracking.created(_shape(call), shown, _stamp(call))


def versions_of(call: Call, kind_of: Callable[[str, str, str], Kind | None], converter: Converter) -> Served:
    """The versions in which somebody may own fields. `kind_of`: by group, version and plural, if it is served."""

    def served(version: str) -> Kind | None:
        group, _, name = version.rpartition("/")
        return kind_of(group, name, call.kind.plural)

    def shape(version: str) -> Struct | None:
        kind = served(version)
        return None if kind is None else _shape_of(kind)

    async def convert(obj: Json, version: str) -> Json:
        source, target = served(obj["apiVersion"]), served(version)
        if source is None or target is None:
            raise InternalError(f"{call.kind.kind} is served no more in {version}")
        return await converter.between(source, target, obj)

    return Served(shape, convert)


def record_update(call: Call, versions: Versions, new: Json, old: Json, sent: Any) -> None:
    """Note on a changed object, ready for the store, who changed it. `sent` is what it said of its owners.

    Raises Unconverted.
    """
    entries = tracking.updated(_shape(call), old, new, _before(call, sent, old), _stamp(call), versions=versions)
    if entries:
        new["metadata"]["managedFields"] = entries


def applied(call: Call, versions: Versions | None, live: Json | None) -> Json:
    """The object that an apply makes of what is there, or of nothing. Raises BadRequest, Conflict, Unconverted."""
    config = _configuration(call)
    metadata: Json = config["metadata"]
    new = live is None
    if live is None:
        live = {"apiVersion": config["apiVersion"], "kind": config["kind"], "metadata": {"name": call.route.name}}
        before = None
    else:
        before = live["metadata"].get("managedFields")
    who = owners.applier(call.request.query.get("fieldManager"), call.route.subresource)
    stamp = Stamp(who, format_time(call.context.now))
    force = call.request.query.flag("force")
    try:
        merged, entries = tracking.applied(
            _shape(call), live, config, before, stamp, force=force, new=new, versions=versions
        )
    except Untyped as error:
        raise BadRequest(f"{_failed(call)}: {error}") from error
    kept = {**merged["metadata"], "managedFields": entries}
    kept.update((key, metadata[key]) for key in ("uid", "resourceVersion") if metadata.get(key))
    return {**merged, "metadata": kept}


def _configuration(call: Call) -> Json:
    """The body of an apply, in the type of the whole object."""
    sent, messages = schema.decode(
        call.request.body, call.type_meta, validation="Warn", content_type="application/yaml"
    )
    unknown = [text for text in messages if text.startswith(_UNKNOWN)]
    if unknown:
        field = unknown[0].removeprefix(_UNKNOWN).rstrip('"')
        raise BadRequest(f"{_failed(call)}: .{field}: field not declared in schema")
    if messages and call.validation == "Strict":
        raise BadRequest(f"error strict decoding patch: {', '.join(messages)}")
    call.context.warnings[:] = messages if call.validation == "Warn" else []
    metadata: Json = sent.setdefault("metadata", {})
    _check_metadata(call, metadata)
    kind, sub = call.kind, call.subresource
    if sub is not None and sub.absorb is not None:
        # A view in another kind: what it would write is what it is about.
        whole: Json = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": call.route.name}}
        whole["spec"] = {}
        sub.absorb(whole, sent)
        return whole
    if sub is not None:
        sent.pop("spec", None)
    elif _has_status(call):
        sent.pop("status", None)
    return sent


def _check_metadata(call: Call, metadata: Json) -> None:
    name, namespace = metadata.get("name") or call.route.name, metadata.get("namespace") or call.route.namespace
    if name != call.route.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({call.route.name})")
    if call.kind.namespaced and namespace != call.route.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    if metadata.get("managedFields"):
        raise BadRequest("metadata.managedFields must be nil")
    metadata.pop("managedFields", None)


def _failed(call: Call) -> str:
    where = f"{call.route.namespace}/{call.route.name}"
    return f"failed to create typed patch object ({where}; {call.kind.api_version}, Kind={call.kind.kind})"


def _before(call: Call, sent: Any, old: Json) -> Any:
    """The entries to go on from: the object's, unless the client sent others that can be read."""
    live = old["metadata"].get("managedFields")
    if call.subresource is not None or sent is None or sent == live:
        return live
    if owners.is_reset(sent):
        return None
    return sent if owners.read(sent) else live


def _stamp(call: Call) -> Stamp:
    name = owners.manager_name(call.request.query.get("fieldManager"), call.request.header("user-agent"))
    who = owners.updater(name, call.kind.api_version, call.route.subresource)
    return Stamp(who, format_time(call.context.now))


def _shape(call: Call) -> Struct:
    return _shape_of(call.kind)


def _shape_of(kind: Kind) -> Struct:
    return kind.shape() if kind.shape is not None else shape_of(kind.group, kind.version, kind.kind)


def _has_status(call: Call) -> bool:
    return "status" in call.kind.subresources
