"""serviceaccounts/token: a token for an account, for a time, for an audience, bound to an object.

Source: pkg/registry/core/serviceaccount/storage/token.go, pkg/apis/authentication/validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from apimachinery.objects.errors import BadRequest, Conflict, Invalid, NotFound
from apimachinery.objects.field import FieldError, invalid
from apimachinery.objects.meta import format_time
from engine.apiserver.authn.accounts import AccountTokens, Private, Reference
from engine.apiserver.call import Call
from engine.apiserver.guard import Guard, Write

Json = dict[str, Any]

_USUAL = 3600
_SHORTEST = 600
_LONGEST = 1 << 32
_RESOURCES = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


class TokenRequests:
    """`create` answers the POST."""

    def __init__(self, tokens: AccountTokens, guards: Sequence[Guard]) -> None:
        self._tokens = tokens
        self._guards = guards

    async def create(self, call: Call, request: Json) -> Json:
        namespace, name = call.route.namespace, call.route.name
        context = call.context
        account = context.lookup("", "serviceaccounts", namespace, name)
        if account is None:
            raise NotFound.of("serviceaccounts", name)
        _check_names(request, namespace, name)
        spec: Json = request.setdefault("spec", {})
        audiences: list[str] = spec.get("audiences") or [self._tokens.issuer]
        seconds: int = spec.get("expirationSeconds") or _USUAL
        spec["audiences"], spec["expirationSeconds"] = audiences, seconds
        errors = _errors(spec)
        if errors:
            raise Invalid.of("TokenRequest", "authentication.k8s.io", name, errors)
        write = Write(call.request.user, call.kind, "token", namespace, name, request, None, context)
        for guard in self._guards:
            guard.check(write)
        bound = _bound(call, spec.get("boundObjectRef"), name)
        token = self._tokens.issue(account, audiences=audiences, seconds=seconds, now=context.now, bound=bound)
        spec.setdefault("boundObjectRef", None)
        expires = format_time(context.now + timedelta(seconds=seconds))
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": format_time(context.now)}
        return {**request, "metadata": metadata, "status": {"token": token, "expirationTimestamp": expires}}


def _check_names(request: Json, namespace: str, name: str) -> None:
    metadata: Json = request.get("metadata") or {}
    if metadata.get("name") and metadata["name"] != name:
        raise BadRequest(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    if metadata.get("namespace") and metadata["namespace"] != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")


def _errors(spec: Json) -> list[FieldError]:
    path, seconds = "spec.expirationSeconds", spec["expirationSeconds"]
    if seconds < _SHORTEST:
        return [invalid(path, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > _LONGEST:
        return [invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def _bound(call: Call, reference: Json | None, account: str) -> Private:
    """What the token depends on. Raises BadRequest, NotFound, Conflict."""
    if not reference:
        return Private()
    kind, version, name = reference.get("kind", ""), reference.get("apiVersion", ""), reference.get("name", "")
    if kind not in _RESOURCES or version not in ("", "v1"):
        group_kind = f"{kind}.{version.partition('/')[0]}" if "/" in version else kind
        raise BadRequest(f"cannot bind token for serviceaccount {account!r} to object of type {group_kind}")
    namespace = "" if kind == "Node" else call.route.namespace
    found = call.context.lookup("", _RESOURCES[kind], namespace, name)
    if found is None:
        raise NotFound.of(_RESOURCES[kind], name)
    uid: str = found["metadata"].get("uid", "")
    wanted = reference.get("uid", "")
    if wanted and wanted != uid:
        detail = (
            f"the UID in the bound object reference ({wanted}) does not match the UID in record."
            " The object might have been deleted and then recreated"
        )
        raise Conflict.of(_RESOURCES[kind], name, detail)
    if kind == "Pod":
        return _bound_to_pod(call, found, account)
    held = Reference(name, uid)
    return Private(secret=held) if kind == "Secret" else Private(node=held)


def _bound_to_pod(call: Call, pod: Json, account: str) -> Private:
    spec: Json = pod.get("spec", {})
    if spec.get("serviceAccountName", "") != account:
        raise BadRequest(
            f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
        )
    bound = Private(pod=Reference(pod["metadata"]["name"], pod["metadata"].get("uid", "")))
    node = spec.get("nodeName", "")
    if not node:
        return bound
    found = call.context.lookup("", "nodes", "", node)
    uid = found["metadata"].get("uid", "") if found is not None else ""
    return msgspec.structs.replace(bound, node=Reference(node, uid))
