"""ConversionReview: the question to a webhook that makes objects of one version those of another, and its answer. Pure.

Source: apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apimachinery.objects.errors import StatusError
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.metadata import append_annotation_errors, append_label_errors
from engine.store.protocol import Record

_REVIEW_VERSIONS = ("v1", "v1beta1")


@dataclass(frozen=True, slots=True)
class Shaping:
    """What one version's schema does to an object."""

    read: Callable[[Json], None]
    """To one that comes from the store: pruned, defaults filled in."""
    coerce: Callable[[Json], None]
    """To one that the webhook made: pruned."""


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """How the versions of one definition become each other. The same for all of its kinds."""

    group: str
    kind: str
    client: Json
    """Where the webhook is."""
    review_versions: Sequence[str]
    shapings: Mapping[str, Shaping]
    """By version."""
    known: OrderedDict[tuple[str, int, str], Record] = field(default_factory=OrderedDict[tuple[str, int, str], Record])
    """Records as the webhook converted them, by key, revision and apiVersion; the last used at the end."""

    def shaping(self, obj: Json) -> Shaping:
        """What the schema of an object's own version does. Raises StatusError for a version that is no more."""
        found = self.shapings.get(str(obj.get("apiVersion", "")).rpartition("/")[2])
        if found is None:
            text = f"request to convert CR from an invalid group/version: {obj.get('apiVersion', '')}"
            raise StatusError(text, code=500, reason="")
        return found

    def failed(self, api_version: str, text: str) -> StatusError:
        """The error of a conversion from a version."""
        return StatusError(f"conversion webhook for {api_version}, Kind={self.kind} {text}", code=500, reason="")


class BadConversion(Exception):
    """The webhook said no, or what it gave is no conversion of what it was asked; the text is the end of a sentence."""


def question(conversion: Conversion, objects: Sequence[Json], wanted: str, uid: str) -> tuple[bytes, str]:
    """The body of the call, and the version of the review. Raises StatusError when we speak none that it does."""
    version = next((one for one in conversion.review_versions if one in _REVIEW_VERSIONS), "")
    if not version:
        raise StatusError("no supported conversion review versions", code=500, reason="")
    review = {
        "kind": "ConversionReview",
        "apiVersion": f"apiextensions.k8s.io/{version}",
        "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": objects},
    }
    return msgspec.json.encode(review), version


def answer_of(body: bytes, version: str, uid: str, originals: Sequence[Json], wanted: str) -> list[Json]:
    """The objects that a webhook made, with their own metadata but for labels and annotations. Raises BadConversion."""
    objects = _objects(body, version, uid)
    if len(objects) != len(originals):
        raise BadConversion(f"returned {len(objects)} objects, expected {len(originals)}")
    single = len(originals) == 1
    return [
        _checked(at, old, new, wanted, single=single)
        for at, (old, new) in enumerate(zip(originals, objects, strict=True))
    ]


def _objects(body: bytes, version: str, uid: str) -> list[Any]:
    try:
        review: Any = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise BadConversion(f"failed: {error}") from error
    if not isinstance(review, dict):
        raise BadConversion("failed: no response provided")
    if version == "v1":
        group, _, named = str(review.get("apiVersion", "")).rpartition("/")
        if (group, named, review.get("kind")) != ("apiextensions.k8s.io", "v1", "ConversionReview"):
            got = f"{review.get('apiVersion', '')}, Kind={review.get('kind', '')}"
            wanted = "apiextensions.k8s.io/v1, Kind=ConversionReview"
            raise BadConversion(f"failed: expected webhook response of {wanted}, got {got}")
    response: Any = review.get("response")
    if not isinstance(response, dict):
        raise BadConversion("failed: no response provided")
    if version == "v1" and response.get("uid") != uid:
        raise BadConversion(f'failed: expected response.uid="{uid}", got "{response.get("uid", "")}"')
    result: Any = response.get("result") or {}
    if result.get("status") != "Success":
        unsaid = f"response.result.status was '{result.get('status', '')}', not 'Success'"
        raise BadConversion(f"failed: {result.get('message') or unsaid}")
    objects: Any = response.get("convertedObjects") or []
    if not isinstance(objects, list):
        raise BadConversion("failed: convertedObjects is no list")
    return objects


def _checked(at: int, old: Json, new: Any, wanted: str, *, single: bool) -> Json:
    start = "returned invalid object at index 0" if single else f"returned invalid converted object at index {at}"
    if not isinstance(new, dict):
        raise BadConversion(f"{start}: it is no object")
    if new.get("apiVersion") != wanted:
        text = f"invalid groupVersion (expected {wanted}, received {new.get('apiVersion', '')})"
        raise BadConversion(f"{start}: {text}")
    if new.get("kind") != old.get("kind"):
        raise BadConversion(f"{start}: invalid kind (expected {old.get('kind')}, received {new.get('kind', '')})")
    metadata: Any = new.get("metadata")
    given: Json = metadata if isinstance(metadata, dict) else {}
    start = "returned invalid object" if single else start
    for name, word in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        before, after = old["metadata"].get(name, ""), given.get(name, "")
        if before != after:
            raise BadConversion(f"{start}: must have the same {word}: {before} != {after}")
    start = "returned invalid metadata" if single else f"returned invalid metadata in object at index {at}"
    return {**new, "metadata": _restored(start, old["metadata"], metadata)}


def _restored(start: str, old: Json, given: Any) -> Json:
    """The object's own metadata with the labels and annotations that the webhook gave it."""
    if not isinstance(given, dict):
        raise BadConversion(
            f"{start}: {'missing metadata' if given is None else 'invalid metadata'} in converted object"
        )
    metadata = dict(old)
    for name, judge in (("labels", append_label_errors), ("annotations", append_annotation_errors)):
        values: Any = given.get(name)
        if values is None:
            metadata.pop(name, None)
            continue
        if not isinstance(values, dict):
            raise BadConversion(f"{start}: invalid metadata.{name} in converted object")
        for key, value in values.items():
            if not isinstance(value, str):
                raise BadConversion(f"{start}: metadata.{name}[{key}] must be a string in converted object")
        if values != (old.get(name) or {}):
            errors: list[Any] = []
            judge(errors, values, f"metadata.{name}")
            if errors:
                raise BadConversion(f"{start}: {', '.join(map(str, errors))}")
        metadata[name] = values
    return metadata
