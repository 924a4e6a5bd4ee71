"""What form of answer a client accepts. Pure.

Source: apiserver/pkg/endpoints/handlers/negotiation/negotiate.go. Whether it is written in JSON or YAML is decided once
the answer is known (dressing.py); here only that one of them will do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from apimachinery.objects.errors import BadRequest, NotAcceptable
from engine.apiserver.accept import Clause, clauses
from engine.apiserver.request import Query

Shape = Literal["object", "table", "partial"]
Include = Literal["Metadata", "None", "Object"]

_META = "meta.k8s.io"
_MEDIA = ("application/json", "application/yaml")
_STREAMS = ("application/json",)


@dataclass(frozen=True, slots=True)
class Form:
    """`object` is the thing itself; `table` is printer rows; `partial` is metadata alone."""

    shape: Shape = "object"
    include: Include = "Metadata"
    """What a table's rows carry of their objects."""
    version: str = "v1"
    """The version of the table or metadata."""
    of_list: bool = False
    """Whether a client that wants metadata alone expects a list of it."""


_PLAIN = Form()


def form_of(accept: str, query: Query, *, watch: bool = False) -> Form:
    """The first form in the Accept header that we can give. Raises NotAcceptable, BadRequest."""
    form = _parse(accept, watch)
    if form.shape != "table":
        return form
    include = query.get("includeObject") or "Metadata"
    if include not in ("Metadata", "None", "Object"):
        raise BadRequest(
            f"Unable to convert to Table as requested: includeObject: Invalid value: \"{include}\": must be 'Metadata',"
            " 'Object', 'None', or empty"
        )
    return replace(form, include=include)


@lru_cache(256)
def _parse(accept: str, watch: bool) -> Form:
    if not accept:
        return _PLAIN
    for clause in clauses(accept):
        if any(clause.covers(media) for media in (_STREAMS if watch else _MEDIA)):
            form = _form(clause)
            if form is not None:
                return form
    offered = "application/json;stream=watch" if watch else "application/json, application/yaml"
    raise NotAcceptable(f"only the following media types are accepted: {offered}")


def _form(clause: Clause) -> Form | None:
    asked = clause.parameters
    if asked.get("stream", "watch") != "watch" or asked.get("sv", "v1") != "v1":
        return None
    if not asked.keys() & {"as", "g", "v"}:
        return _PLAIN
    version = asked.get("v", "")
    if asked.get("g") != _META or version not in {"v1", "v1beta1"}:
        return None
    match asked.get("as"):
        case "Table":
            return Form("table", version=version)
        case "PartialObjectMetadata":
            return Form("partial", version=version)
        case "PartialObjectMetadataList":
            return Form("partial", version=version, of_list=True)
        case _:
            return None
