"""AdmissionReview: the question to a webhook, and its answer read. Pure.

Source: k8s.io/api/admission/v1 and k8s.io/apiserver/pkg/admission/plugin/webhook/{request,errors}.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apimachinery.objects.errors import StatusError
from engine.apiserver.dynamic.rules import operation
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json, Kind

_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


class BadAnswer(Exception):
    """A webhook answered with what is no review of this request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook said."""

    allowed: bool
    patch: list[Json]
    warnings: list[str]
    status: Json
    audit: Mapping[str, str] = field(default_factory=dict[str, str])


def request_of(write: Write) -> Json:
    """The request as webhooks and CEL expressions see it, its uid left out."""
    kind, user = write.kind, write.user
    named = write.requested or kind
    verb = operation(write)
    asked: Json = {
        "kind": _type(write, kind),
        "resource": {"group": kind.group, "version": kind.version, "resource": kind.plural},
        "requestKind": _type(write, named),
        "requestResource": {"group": named.group, "version": named.version, "resource": named.plural},
        "operation": verb,
        "userInfo": _user(user),
        "object": write.new,
        "oldObject": write.old,
        "dryRun": write.context.dry_run,
        "options": {"kind": _OPTIONS[verb], "apiVersion": "meta.k8s.io/v1"} if verb in _OPTIONS else None,
    }
    if write.subresource:
        asked["subResource"] = asked["requestSubResource"] = write.subresource
    if write.name:
        asked["name"] = write.name
    if write.namespace and kind.namespaced:
        asked["namespace"] = write.namespace
    elif kind.plural == "namespaces" and not kind.group:
        asked["namespace"] = write.name
    return asked


def _type(write: Write, kind: Kind) -> Json:
    group, version, name = write.object_type or (kind.group, kind.version, kind.kind)
    if write.connects and write.new is not None:
        name = write.new["kind"]  # the options where somebody connects
    return {"group": group, "version": version, "kind": name}


def _user(user: Any) -> Json:
    info: Json = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    extra = getattr(user, "extra", None)
    if extra:
        info["extra"] = {name: list(values) for name, values in extra.items()}
    return info


def question(write: Write, uid: str, version: str) -> bytes:
    """The body of the call."""
    return msgspec.json.encode(
        {
            "kind": "AdmissionReview",
            "apiVersion": f"admission.k8s.io/{version}",
            "request": {"uid": uid, **request_of(write)},
        }
    )


def answer_of(body: bytes, uid: str, version: str, *, mutating: bool) -> Answer:
    """Read a webhook's answer. Raises BadAnswer."""
    try:
        review: Any = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise BadAnswer(f"received invalid webhook response: {error}") from error
    response: Any = review.get("response") if isinstance(review, dict) else None
    if version == "v1":
        wanted = ("admission.k8s.io/v1", "AdmissionReview")
        got = (review.get("apiVersion", ""), review.get("kind", "")) if isinstance(review, dict) else ("", "")
        if got != wanted:
            raise _bad(f"expected webhook response of {wanted[0]}, Kind={wanted[1]}, got {got[0]}, Kind={got[1]}")
    if not isinstance(response, dict):
        raise _bad("webhook response was absent")
    if version == "v1":
        if response.get("uid") != uid:
            raise _bad(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
        _check_patch(response, mutating=mutating)
    try:
        patch: Any = msgspec.json.decode(base64.b64decode(response["patch"])) if response.get("patch") else []
    except (msgspec.DecodeError, binascii.Error, TypeError, ValueError) as error:
        raise BadAnswer(f"received undecodable patch in webhook response: {error}") from error
    if patch and response.get("patchType", "JSONPatch") != "JSONPatch":
        raise BadAnswer(f'unsupported patch type "{response["patchType"]}"')
    return Answer(
        response.get("allowed") is True,
        patch,
        [str(text) for text in response.get("warnings") or ()],
        response.get("status") or {},
        {str(key): str(value) for key, value in (response.get("auditAnnotations") or {}).items()},
    )


def _check_patch(response: Json, *, mutating: bool) -> None:
    patch, kind = response.get("patch"), response.get("patchType")
    if not mutating:
        for name in ("patch", "patchType"):
            if response.get(name):
                raise _bad(f"validating webhook may not return response.{name}")
    elif patch and kind is None:
        raise _bad("webhook returned response.patch but not response.patchType")
    elif kind is not None and not patch:
        raise _bad("webhook returned response.patchType but not response.patch")
    elif kind is not None and not kind:
        raise _bad(f'webhook returned invalid response.patchType of "{kind}"')


def _bad(text: str) -> BadAnswer:
    return BadAnswer(f"received invalid webhook response: {text}")


def refusal(name: str, answer: Answer) -> StatusError:
    """The error that a client gets for a webhook's no."""
    status = answer.status
    text = f'admission webhook "{name}" denied the request'
    detail = status.get("message") or status.get("reason")
    message = f"{text}: {detail}" if detail else f"{text} without explanation"
    code = status.get("code") or 0
    return StatusError(message, code=max(code, 400), reason=status.get("reason") or "", details=status.get("details"))
