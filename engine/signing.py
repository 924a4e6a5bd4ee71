"""What each of Kubernetes' signers signs, and the signing with the cluster's CA.

Source: pkg/controller/certificates/signer/signer.go, pkg/apis/certificates/helpers.go.
"""

from __future__ import annotations

import base64
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from engine.controllers.certificates import CLIENT, NODE_CLIENT, NODE_SERVING, Signed, Spec
from engine.pki import ENGINE_NAME, Pki

_NODES = "system:nodes"
_NODE = "system:node:"
_COMMON = frozenset({"digital signature", "key encipherment"})
_LONGEST = timedelta(days=365)


class Refusal(Exception):
    """This signer does not sign such a request."""


class RequestSigner:
    """Implements engine.controllers.certificates.Signer."""

    def __init__(self, pki: Pki) -> None:
        self._pki = pki

    def sign(self, spec: Spec) -> Signed:
        try:
            request = _parsed(spec)
            _CHECKS[spec.signer_name](request, spec)
            lifetime = _LONGEST
            if spec.expiration_seconds is not None:
                lifetime = min(_LONGEST, timedelta(seconds=spec.expiration_seconds))
            pem = self._pki.sign_request(request, server=spec.signer_name == NODE_SERVING, lifetime=lifetime)
        except Refusal as error:
            return Signed(refusal=str(error))
        return Signed(certificate=base64.b64encode(pem).decode())

    def is_renewal(self, spec: Spec) -> bool:
        try:
            request = _parsed(spec)
            _check_node_client(request, spec)
        except Refusal:
            return False
        return _common_name(request) == spec.username


def _parsed(spec: Spec) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(base64.b64decode(spec.request))
    except ValueError as error:
        raise Refusal(f"unable to parse csr: {error}") from error
    if not request.is_signature_valid:
        raise Refusal("the request is not signed by its own key")
    return request


def _check_client(request: x509.CertificateSigningRequest, spec: Spec) -> None:
    if _common_name(request) == ENGINE_NAME:
        # By this name alone the machines know the engine.
        raise Refusal(f"{ENGINE_NAME} is the name of the engine itself")
    _check_usages(spec, "client auth")


def _check_node_client(request: x509.CertificateSigningRequest, spec: Spec) -> None:
    _check_node_subject(request)
    if _names(request) is not None:
        raise Refusal("DNS, IP, email and URI subjectAltNames are not allowed")
    _check_usages(spec, "client auth")


def _check_node_serving(request: x509.CertificateSigningRequest, spec: Spec) -> None:
    _check_node_subject(request)
    if _common_name(request) != spec.username or _NODES not in spec.groups:
        raise Refusal("the requestor must be the node that the certificate is for")
    names = _names(request)
    if names is None:
        raise Refusal("DNS or IP subjectAltName is required")
    if any(not isinstance(name, x509.DNSName | x509.IPAddress) for name in names):
        raise Refusal("email and URI subjectAltNames are not allowed")
    _check_usages(spec, "server auth")


def _check_node_subject(request: x509.CertificateSigningRequest) -> None:
    groups = [name.value for name in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    if groups != [_NODES]:
        raise Refusal("subject organization is not system:nodes")
    if not _common_name(request).startswith(_NODE):
        raise Refusal("subject common name does not begin with system:node:")


def _check_usages(spec: Spec, purpose: str) -> None:
    if purpose not in spec.usages or not set(spec.usages) <= _COMMON | {purpose}:
        raise Refusal("usages did not match")


def _common_name(request: x509.CertificateSigningRequest) -> str:
    found = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _names(request: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    try:
        return request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


_CHECKS = {CLIENT: _check_client, NODE_CLIENT: _check_node_client, NODE_SERVING: _check_node_serving}
