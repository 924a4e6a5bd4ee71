"""Keys and certificates of a machine.

Private keys are made here and never leave: what goes out are signing requests, what comes in are certificates.
``enrol`` prints {"client": PEM, "serving": PEM} (requests) as JSON; ``enrol --install`` reads {"client", "serving",
"ca"} (certificates) from standard input. Both may be repeated; existing keys are kept.
"""

from __future__ import annotations

import argparse
import ipaddress
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nodeagent import disk

NODE_GROUP = "system:nodes"
NODE_USER = "system:node:"
ROLES = ("client", "serving")


class EnrolError(Exception):
    """What came in cannot be installed; the message names which and why."""


class Certificates(msgspec.Struct, frozen=True):
    """What the signer sends back, PEM each."""

    client: str
    serving: str
    ca: str


def main(arguments: Sequence[str]) -> int:
    """The ``enrol`` command; its exit status."""
    parser = argparse.ArgumentParser(prog="nodeagent enrol", description="Make keys and install certificates.")
    parser.add_argument("--node-name", default="", help="name of the Node; needed to make requests")
    parser.add_argument("--state-dir", type=Path, required=True, help="folder for keys and certificates")
    parser.add_argument("--install", action="store_true", help="read certificates as JSON from standard input")
    asked = parser.parse_args(arguments)
    try:
        if asked.install:
            install(asked.state_dir, sys.stdin.buffer.read())
        elif not asked.node_name:
            parser.error("--node-name is needed unless --install is given")
        else:
            sys.stdout.write(msgspec.json.encode(requests(asked.state_dir, asked.node_name)).decode() + "\n")
    except (EnrolError, OSError) as error:
        sys.stderr.write(f"nodeagent enrol: {error}\n")
        return 1
    return 0


def requests(folder: Path, node_name: str) -> dict[str, str]:
    """A signing request for each role, PEM; makes the keys that are missing."""
    return {role: _request(_ensure_key(folder / f"{role}.key"), role, node_name) for role in ROLES}


def install(folder: Path, body: bytes) -> None:
    """Write certificates beside their keys, all or none. Raises EnrolError."""
    try:
        certificates = msgspec.json.decode(body, type=Certificates)
    except msgspec.MsgspecError as error:
        raise EnrolError(f"certificates on standard input: {error}") from error
    authority = _certificate(certificates.ca, "ca")
    for role in ROLES:
        certificate = _certificate(getattr(certificates, role), role)
        if certificate.issuer != authority.subject:
            raise EnrolError(f"{role}: the certificate was not issued by the given ca")
        key = _load_key(folder / f"{role}.key")
        if _public(certificate.public_key()) != _public(key.public_key()):
            raise EnrolError(f"{role}: the certificate does not belong to {folder / f'{role}.key'}")
    for role in (*ROLES, "ca"):
        disk.write_private(folder / f"{role}.crt", getattr(certificates, role).encode())


def _request(key: ec.EllipticCurvePrivateKey, role: str, node_name: str) -> str:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, NODE_GROUP),
            x509.NameAttribute(NameOID.COMMON_NAME, NODE_USER + node_name),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if role == "serving":
        names = [x509.DNSName(node_name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _ensure_key(file: Path) -> ec.EllipticCurvePrivateKey:
    if file.exists():
        return _load_key(file)
    key = ec.generate_private_key(ec.SECP256R1())
    disk.write_private(
        file,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return key


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise EnrolError(f"{file}: there is no key; run enrol without --install first") from error
    except ValueError as error:
        raise EnrolError(f"{file}: not a private key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise EnrolError(f"{file}: not an elliptic-curve key")
    return key


def _certificate(pem: str, role: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise EnrolError(f"{role}: not a PEM certificate: {error}") from error


def _public(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise EnrolError("the certificate's key is not an elliptic-curve key")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
