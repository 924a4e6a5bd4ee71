"""Who may approve requests for certificates, and which subjects nobody may ask for.

Source: plugin/pkg/admission/certificates/{approval,signing,subjectrestriction}.
"""

from __future__ import annotations

from typing import Any

from cryptography.x509.oid import NameOID

from engine.apiserver.authz.attributes import Attributes
from engine.apiserver.authz.union import MASTERS, Union
from engine.apiserver.guard import Write
from engine.apiserver.registry.certificates.signingrequest import GROUP, parse_request

_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class SignerGuard:
    """Raises Forbidden when a verdict, a certificate or a request is not this user's to give."""

    def __init__(self, union: Union) -> None:
        self._union = union

    def check(self, write: Write) -> None:
        if write.new is None or write.kind.plural != "certificatesigningrequests" or write.kind.group != GROUP:
            return
        if write.old is None:
            _check_subject(write, write.new)
        elif write.subresource == "approval":
            self._check_signer(write, "approve")
        elif write.subresource == "status" and _certificate(write.new) != _certificate(write.old):
            self._check_signer(write, "sign")

    def _check_signer(self, write: Write, verb: str) -> None:
        signer: str = (write.old or {}).get("spec", {}).get("signerName", "")
        domain = signer.partition("/")[0]
        for name in (signer, f"{domain}/*"):
            asked = Attributes(write.user, verb, GROUP, "*", "signers", name=name)
            if self._union.decide(asked).allowed:
                return
        raise write.forbidden(f'user not permitted to {verb} requests with signerName "{signer}"')


def _certificate(obj: dict[str, Any]) -> str:
    return obj.get("status", {}).get("certificate", "")


def _check_subject(write: Write, obj: dict[str, Any]) -> None:
    spec = obj.get("spec", {})
    if spec.get("signerName") != _CLIENT_SIGNER:
        return
    try:
        subject = parse_request(spec.get("request", "")).subject
    except ValueError:
        # Validation comes after this, and names what is wrong.
        return
    if any(name.value == MASTERS for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)):
        raise write.forbidden(f"use of {_CLIENT_SIGNER} signer with {MASTERS} group is not allowed")
