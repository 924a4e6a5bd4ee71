"""CertificateSigningRequest: somebody asks a signer for a certificate; somebody else approves or denies it.

Source: pkg/apis/certificates/validation/validation.go, pkg/registry/certificates/certificates/strategy.go.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import msgspec
from cryptography import x509

from apimachinery.objects.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from apimachinery.objects.meta import format_time
from engine.apiserver.registry import metadata, names
from engine.apiserver.registry.kind import Cell, Column, Context, Json, Kind, Subresource
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata
from engine.apiserver.tables import human_duration

GROUP = "certificates.k8s.io"
LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"
_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
_SHORTEST = 600
_VERDICTS = ("Approved", "Denied")


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    signer_name: str = ""
    username: str = ""
    expiration_seconds: int | None = None


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""


class _Status(msgspec.Struct, frozen=True):
    conditions: list[_Condition] = []
    certificate: str = ""


class SigningRequestRow(msgspec.Struct, frozen=True):
    """What the table cells and field selectors read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _condition(view: SigningRequestRow) -> Cell:
    verdicts = [condition.type for condition in view.status.conditions if condition.type in (*_VERDICTS, "Failed")]
    shown = ",".join(dict.fromkeys(verdicts)) or "Pending"
    return f"{shown},Issued" if view.status.certificate else shown


def _duration(view: SigningRequestRow) -> Cell:
    seconds = view.spec.expiration_seconds
    return NONE if seconds is None else human_duration(seconds)


def parse_request(text: str) -> x509.CertificateSigningRequest:
    """The PKCS#10 request in a base64 PEM block. Raises ValueError in upstream's words."""
    pem = base64.b64decode(text)
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem and b"-----BEGIN NEW CERTIFICATE REQUEST-----" not in pem:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    return x509.load_pem_x509_csr(pem)


def _request_errors(text: str) -> list[FieldError]:
    try:
        request = parse_request(text)
    except ValueError as error:
        return [invalid("spec.request", text, str(error))]
    return [] if request.is_signature_valid else [invalid("spec.request", text, "the request's signature is invalid")]


def _signer_errors(name: str) -> list[FieldError]:
    path = "spec.signerName"
    if not name:
        return [required(path, "")]
    if name == LEGACY_UNKNOWN:
        return [invalid(path, name, "the legacy signerName is not allowed via this API version")]
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest or not domain or not rest:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(path, name, text)]
    errors = [invalid(path, name, f"validating label {domain!r}: {m}") for m in names.dns_subdomain(domain)]
    if not errors and "." not in domain:
        errors.append(invalid(path, name, "should be a domain with at least two segments separated by dots"))
    return errors + [invalid(path, name, message) for message in names.dns_subdomain(rest)]


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    errors = _request_errors(spec.get("request", ""))
    usages: list[str] = spec.get("usages") or []
    if not usages:
        errors.append(required("spec.usages", ""))
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            errors.append(not_supported(f"spec.usages[{index}]", usage, _USAGES))
        elif usage in usages[:index]:
            errors.append(duplicate(f"spec.usages[{index}]", usage))
    errors += _signer_errors(spec.get("signerName", ""))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.append(invalid("spec.expirationSeconds", seconds, text))
    return errors + _condition_errors(obj)


def _condition_errors(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, condition in enumerate(obj.get("status", {}).get("conditions") or ()):
        path = f"status.conditions[{index}]"
        name, status = condition.get("type", ""), condition.get("status", "")
        if not name:
            errors.append(required(f"{path}.type", ""))
        if not status:
            errors.append(required(f"{path}.status", ""))
        elif name in (*_VERDICTS, "Failed") and status != "True":
            errors.append(not_supported(f"{path}.status", status, ["True"]))
        if name in seen:
            errors.append(duplicate(f"{path}.type", name))
        seen.add(name)
    if seen.issuperset(_VERDICTS):
        errors.append(invalid("status.conditions", "Denied", "Approved and Denied conditions are mutually exclusive"))
    return errors


def _prepare_create(obj: Json, context: Context) -> None:
    """Who asks is what the server saw, never what the request says."""
    spec: Json = obj.setdefault("spec", {})
    for name in ("username", "uid", "groups", "extra"):
        spec.pop(name, None)
    spec["username"] = context.user
    if context.groups:
        spec["groups"] = list(context.groups)
    if context.uid:
        spec["uid"] = context.uid
    if context.extra:
        spec["extra"] = {key: list(values) for key, values in context.extra.items()}
    obj["status"] = {}


def _prepare_update(new: Json, old: Json, _context: Context) -> None:
    metadata.put_back_part(new, old, "spec")
    metadata.put_back_part(new, old, "status")


def _prepare_status(new: Json, old: Json, context: Context) -> None:
    metadata.put_back_part(new, old, "spec")
    _stamp(new, old, context)


def _prepare_approval(new: Json, old: Json, context: Context) -> None:
    metadata.put_back_part(new, old, "spec")
    status: Json = new.setdefault("status", {})
    metadata.put_back_part(status, old.get("status", {}), "certificate")
    _stamp(new, old, context)


def _stamp(new: Json, old: Json, context: Context) -> None:
    """Times of conditions that came without."""
    before = {c.get("type"): c for c in old.get("status", {}).get("conditions") or ()}
    now = format_time(context.now)
    for condition in new.get("status", {}).get("conditions") or ():
        known = before.get(condition.get("type"))
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = now
        if not condition.get("lastTransitionTime"):
            same = known is not None and known.get("status") == condition.get("status")
            condition["lastTransitionTime"] = known.get("lastTransitionTime", now) if known and same else now


def _fixed_verdicts(*, may_judge: bool) -> Callable[[Json, Json], list[FieldError]]:
    def validate(new: Json, old: Json) -> list[FieldError]:
        errors = _condition_errors(new)
        before = {c.get("type") for c in old.get("status", {}).get("conditions") or ()}
        after = {c.get("type") for c in new.get("status", {}).get("conditions") or ()}
        for verdict in (*_VERDICTS, "Failed"):
            if verdict in before and verdict not in after:
                text = f'updates may not remove a condition of type "{verdict}"'
                errors.append(forbidden("status.conditions", text))
            if verdict in _VERDICTS and verdict in after and verdict not in before and not may_judge:
                text = f'updates may not add a condition of type "{verdict}"'
                errors.append(forbidden("status.conditions", text))
        return errors

    return validate


def _field_labels(view: SigningRequestRow) -> dict[str, str]:
    return {"spec.signerName": view.spec.signer_name}


CERTIFICATE_SIGNING_REQUEST = Kind(
    group=GROUP,
    version="v1",
    kind="CertificateSigningRequest",
    plural="certificatesigningrequests",
    singular="certificatesigningrequest",
    namespaced=False,
    short_names=("csr",),
    subresources={
        "approval": Subresource(
            name="approval", verbs=("get", "patch", "update"), prepare=_prepare_approval,
            validate=_fixed_verdicts(may_judge=True),
        ),
        "status": Subresource(
            name="status", verbs=("get", "patch", "update"), prepare=_prepare_status,
            validate=_fixed_verdicts(may_judge=False),
        ),
    },
    name_errors=names.dns_subdomain,
    validate=_validate,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    table_view=SigningRequestRow,
    field_view=SigningRequestRow,
    field_labels=_field_labels,
    columns=(
        NAME,
        AGE,
        Column(name="SignerName", cell=lambda view: view.spec.signer_name, description="The requested signer."),
        Column(name="Requestor", cell=lambda view: view.spec.username, description="Who asks for the certificate."),
        Column(name="RequestedDuration", cell=_duration, description="How long the certificate shall be valid."),
        Column(name="Condition", cell=_condition, description="The verdict, and whether the certificate is there."),
    ),
)  # fmt: skip
