"""What form of answer a client accepts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from apimachinery.objects.errors import BadRequest, NotAcceptable
from engine.apiserver.request import Query

Shape = Literal["object", "table", "partial"]
Include = Literal["Metadata", "None", "Object"]

_META = "meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Form:
    """`object` is the thing itself; `table` is printer rows; `partial` is metadata alone."""

    shape: Shape = "object"
    yaml: bool = False
    include: Include = "Metadata"
    """What a table's rows carry of their objects."""


_PLAIN = Form()


def form_of(accept: str, query: Query) -> Form:
    """The first form in the Accept header that we can give. Raises NotAcceptable, BadRequest."""
    form = _parse(accept)
    if form.shape != "table":
        return form
    include = query.get("includeObject") or "Metadata"
    if include not in ("Metadata", "None", "Object"):
        raise BadRequest(f'unrecognized includeObject value: "{include}"')
    return Form("table", form.yaml, include)


@lru_cache(256)
def _parse(accept: str) -> Form:
    if not accept:
        return _PLAIN
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media in ("application/json", "*/*", "application/*"):
            yaml = False
        elif media in ("application/yaml", "application/x-yaml"):
            yaml = True
        else:
            continue
        asked: dict[str, str] = {}
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            asked[name] = value
        shape = _shape(asked)
        if shape is not None:
            return Form(shape, yaml)
    raise NotAcceptable(
        "only the following media types are accepted: application/json, application/yaml,"
        " application/json;as=Table;v=v1;g=meta.k8s.io"
    )


def _shape(asked: dict[str, str]) -> Shape | None:
    kind = asked.get("as")
    if kind is None:
        return "object"
    if asked.get("g") != _META or asked.get("v") not in ("v1", "v1beta1"):
        return None
    if kind == "Table":
        return "table"
    if kind in ("PartialObjectMetadata", "PartialObjectMetadataList"):
        return "partial"
    return None
