"""Certificate requests: those of our machines are approved, approved ones are signed, settled ones are forgotten.

Source: pkg/controller/certificates/{approver,signer,cleaner}.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from apimachinery.objects.meta import Object, format_time, parse_time
from apimachinery.objects.resources import CERTIFICATESIGNINGREQUESTS
from engine.controllers.actions import Action, Delete, Patch, RequeueAfter
from engine.controllers.controller import Moment, Reader, Source, Watch

Json = dict[str, Any]

CLIENT = "kubernetes.io/kube-apiserver-client"
NODE_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
NODE_SERVING = "kubernetes.io/kubelet-serving"
SIGNERS = (CLIENT, NODE_CLIENT, NODE_SERVING)
_NODES = "system:nodes"
# How long settled requests stay for people to look at.
_SETTLED = frozenset({"Approved", "Denied", "Failed"})
_KEPT = timedelta(hours=1)
_PENDING_KEPT = timedelta(hours=24)


class Condition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    type: str
    status: str = "True"
    reason: str = ""
    message: str = ""
    last_update_time: str = ""
    last_transition_time: str = ""


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    request: str = ""
    signer_name: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    expiration_seconds: int | None = None


class Status(msgspec.Struct, frozen=True):
    conditions: tuple[Condition, ...] = ()
    certificate: str = ""


class SigningRequest(Object, frozen=True):
    spec: Spec = Spec()
    status: Status = Status()

    def has(self, condition: str) -> bool:
        return any(one.type == condition for one in self.status.conditions)


@dataclass(frozen=True, slots=True)
class Signed:
    """What became of an approved request: a certificate (base64 PEM), or why there can be none."""

    certificate: str = ""
    refusal: str = ""


class Signer(Protocol):
    """Knows X.509, and has the CA's key."""

    def sign(self, spec: Spec) -> Signed:
        """Check the request against what its signer signs, and sign it."""
        ...

    def is_renewal(self, spec: Spec) -> bool:
        """Whether a machine asks for what it has already: its own client certificate."""
        ...


REQUEST_SOURCE = Source(CERTIFICATESIGNINGREQUESTS, SigningRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    request: SigningRequest
    now: datetime
    renewal: bool = False
    signed: Signed | None = None
    """For an approved request of ours that has no certificate yet."""


def plan(observed: Observed) -> list[Action]:
    request = observed.request
    if observed.signed is not None:
        return [_settle(request, observed.signed, format_time(observed.now))]
    if observed.renewal:
        return [_approve(request, format_time(observed.now))]
    return _forget(request, observed.now)


def _approve(request: SigningRequest, now: str) -> Action:
    text = "Auto approving self kubelet client certificate after SubjectAccessReview."
    condition = Condition("Approved", "True", "AutoApproved", text, now, now)
    return _patch(request, "approval", {"conditions": _with(request, condition)})


def _settle(request: SigningRequest, signed: Signed, now: str) -> Action:
    if signed.certificate:
        return _patch(request, "status", {"certificate": signed.certificate})
    condition = Condition("Failed", "True", "SignerValidationFailure", signed.refusal, now, now)
    return _patch(request, "status", {"conditions": _with(request, condition)})


def _with(request: SigningRequest, condition: Condition) -> list[Json]:
    return msgspec.to_builtins([*request.status.conditions, condition])


def _patch(request: SigningRequest, subresource: str, status: Json) -> Action:
    meta = request.metadata
    return Patch(
        resource=CERTIFICATESIGNINGREQUESTS,
        name=meta.name,
        body={"status": status},
        subresource=subresource,
        uid=meta.uid,
        resource_version=meta.resource_version,
    )


def _forget(request: SigningRequest, now: datetime) -> list[Action]:
    meta = request.metadata
    settled = [one for one in request.status.conditions if one.type in _SETTLED]
    since = min((one.last_update_time for one in settled), default="") or meta.creation_timestamp
    if not since:
        return []
    until = parse_time(since) + (_KEPT if settled else _PENDING_KEPT)
    if until <= now:
        return [Delete(resource=CERTIFICATESIGNINGREQUESTS, name=meta.name, uid=meta.uid)]
    return [RequeueAfter(seconds=(until - now).total_seconds())]


class CertificatesController:
    """One key: one request."""

    name = "certificates"
    component = "certificate-controller"

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.watches = (Watch(REQUEST_SOURCE, lambda request, _: [request.metadata.name]),)

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:
        request = reader.get(REQUEST_SOURCE, key)
        if request is None:
            return None
        judged = request.has("Approved") or request.has("Denied") or request.has("Failed")
        if not judged and request.spec.signer_name == NODE_CLIENT and _NODES in request.spec.groups:
            return Observed(request=request, now=moment.now, renewal=self._signer.is_renewal(request.spec))
        waits = request.has("Approved") and not request.has("Failed") and not request.status.certificate
        if waits and not request.has("Denied") and request.spec.signer_name in SIGNERS:
            return Observed(request=request, now=moment.now, signed=self._signer.sign(request.spec))
        return Observed(request=request, now=moment.now)

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)
