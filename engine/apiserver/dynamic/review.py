"""AdmissionReview: the question to a webhook, and its answer read. Pure.

Source: k8s.io/api/admission/v1 and k8s.io/apiserver/pkg/admission/plugin/webhook/{request,errors}.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import msgspec

from apimachinery.objects.errors import StatusError
from engine.apiserver.dynamic.rules import operation
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json

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


def request_of(write: Write) -> Json:
    """The request as webhooks and CEL expressions see it, its uid left out."""
    kind, user = write.kind, write.user
    gvk = {"group": kind.group, "version": kind.version, "kind": _kind_of(write)}
    gvr = {"group": kind.group, "version": kind.version, "resource": kind.plural}
    verb = operation(write)
    asked: Json = {
        "kind": gvk,
        "resource": gvr,
        "requestKind": gvk,
        "requestResource": gvr,
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


def _kind_of(write: Write) -> str:
    """What the object is: the options where somebody connects."""
    return write.new["kind"] if write.connects and write.new is not None else write.kind.kind


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


def answer_of(body: bytes, uid: str) -> Answer:
    """Read a webhook's answer. Raises BadAnswer."""
    try:
        review: Any = msgspec.json.decode(body)
        response: Any = review["response"]
        if response["uid"] != uid:
            raise BadAnswer(f"expected response.uid={uid!r}, got {response['uid']!r}")
        patch = msgspec.json.decode(base64.b64decode(response["patch"])) if response.get("patch") else []
        return Answer(bool(response["allowed"]), patch, response.get("warnings") or [], response.get("status") or {})
    except (msgspec.DecodeError, binascii.Error, KeyError, TypeError) as error:
        raise BadAnswer(f"received invalid webhook response: {error}") from error


def refusal(name: str, answer: Answer) -> StatusError:
    """The error that a client gets for a webhook's no."""
    status = answer.status
    text = f'admission webhook "{name}" denied the request'
    detail = status.get("message") or status.get("reason")
    message = f"{text}: {detail}" if detail else f"{text} without explanation"
    code = status.get("code") or 0
    return StatusError(message, code=max(code, 400), reason=status.get("reason") or "", details=status.get("details"))
