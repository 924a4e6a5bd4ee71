"""Enrolment: keys are made on the machine and stay there; requests come out and certificates go in over SSH."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import msgspec
from cryptography import x509

from apimachinery.aio.clock import SystemClock
from engine.fleet.errors import StepFailed
from engine.fleet.steps.environment import PYTHON
from engine.fleet.steps.step import Joining

STATE = "/var/lib/pilothouse/agent"
_RENEW = timedelta(days=120)


class _Requests(msgspec.Struct):
    client: str
    serving: str


class Credentials:
    name = "credentials"
    title = "Make keys and sign certificates"

    async def check(self, joining: Joining) -> bool:
        site = joining.site
        if await site.read(f"{STATE}/ca.crt") != joining.pki.ca_pem:
            return False
        for name in ("client", "serving"):
            certificate = await site.read(f"{STATE}/{name}.crt")
            if certificate is None or not _good(certificate, joining):
                return False
        return await site.succeeds("test", "-s", f"{STATE}/client.key", "-a", "-s", f"{STATE}/serving.key")

    async def apply(self, joining: Joining) -> None:
        site, name = joining.site, joining.name
        enrol = [PYTHON, "-m", "nodeagent", "enrol", "--node-name", name, "--state-dir", STATE]
        asked = await site.run(enrol)
        try:
            requests = msgspec.json.decode(asked.stdout, type=_Requests)
            client = joining.pki.sign_csr(requests.client.encode(), f"system:node:{name}", ["system:nodes"])
            names = [name, "127.0.0.1"]
            serving = joining.pki.sign_csr(requests.serving.encode(), f"system:node:{name}", ["system:nodes"], names)
        except (msgspec.MsgspecError, ValueError) as error:
            raise StepFailed(f"the machine's certificate requests cannot be signed: {error}") from error
        certificates = {"ca": joining.pki.ca_pem.decode(), "client": client.decode(), "serving": serving.decode()}
        await site.run([*enrol, "--install"], stdin=msgspec.json.encode(certificates))


def cluster_id(ca_pem: bytes) -> str:
    """What tells one cluster from another: its authority."""
    return hashlib.sha256(ca_pem).hexdigest()[:32]


def _good(certificate: bytes, joining: Joining) -> bool:
    """Ours, in this node's name, and not about to expire."""
    try:
        held = x509.load_pem_x509_certificate(certificate)
        authority = x509.load_pem_x509_certificate(joining.pki.ca_pem)
    except ValueError:
        return False
    names = [attribute.value for attribute in held.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    fresh = held.not_valid_after_utc - SystemClock().now() > _RENEW
    return held.issuer == authority.subject and names == [f"system:node:{joining.name}"] and fresh
