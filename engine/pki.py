"""The cluster's certificate authority and the keys of the engine: made once per data dir, loaded ever after.

Elliptic-curve keys (P-256): made in a millisecond, verified cheaply on a Raspberry Pi. Directories 0700, keys 0600.
"""

from __future__ import annotations

import base64
import fcntl
import ipaddress
import os
import secrets
import ssl
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apimachinery.aio.clock import SystemClock
from engine.store.sealing import format_keys, parse_keys

ADMIN_NAME = "pilothouse-admin"
ADMIN_GROUP = "system:masters"
ENGINE_NAME = "pilothouse-engine"
FRONT_PROXY_NAME = "front-proxy-client"

_CA_YEARS = 10
_LEAF_DAYS = 365
# Leaves are renewed on start when less than this is left.
_RENEW_DAYS = 90
_SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


class Pki:
    """Keys and certificates under `<data dir>/pki`. Get one with `ensure`."""

    def __init__(self, folder: Path, ca_key: ec.EllipticCurvePrivateKey, ca_certificate: x509.Certificate) -> None:
        self.folder = folder
        self._ca_key = ca_key
        self._ca = ca_certificate

    @classmethod
    def ensure(
        cls, data_dir: Path, *, names: Sequence[str] = (), service_ip: str = "10.43.0.1", domain: str = "cluster.local"
    ) -> Pki:
        """Load what is there, make what is missing or about to expire. `names`: further names of the API server."""
        folder = data_dir / "pki"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        with _only_one(folder):
            return cls._ensured(folder, names, service_ip, domain)

    @classmethod
    def _ensured(cls, folder: Path, names: Sequence[str], service_ip: str, domain: str) -> Pki:
        pki = cls(folder, *_ensure_ca(folder))
        server_names = [*_SERVER_NAMES, f"kubernetes.default.svc.{domain}", "127.0.0.1", "::1", service_ip, *names]
        pki._ensure_leaf("server", "kube-apiserver", (), server_names)
        pki._ensure_leaf("admin", ADMIN_NAME, (ADMIN_GROUP,), ())
        pki._ensure_leaf("agent-client", ENGINE_NAME, (), ())
        # An authority of its own: who trusts it takes our word for who asks.
        front = cls(folder, *_ensure_ca(folder, "front-proxy-ca"))
        front._ensure_leaf("front-proxy-client", FRONT_PROXY_NAME, (), ())
        if not (folder / "service-account.key").exists():
            _write_key(folder / "service-account.key", ec.generate_private_key(ec.SECP256R1()))
        if not (folder / "tokens.csv").exists():
            line = f'{secrets.token_urlsafe(32)},{ADMIN_NAME},{ADMIN_NAME},"{ADMIN_GROUP}"\n'
            _write_secret(folder / "tokens.csv", line.encode())
        if not (folder / "secrets.key").exists():
            _write_secret(folder / "secrets.key", format_keys({"key1": secrets.token_bytes(32)}).encode())
        return pki

    def sealing_keys(self) -> dict[str, bytes]:
        """The keys that Secrets are encrypted with on disk, the one for writing first. Raises ValueError."""
        file = self.folder / "secrets.key"
        try:
            return parse_keys(file.read_text(encoding="ascii"))
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error

    def rotate_sealing_key(self) -> str:
        """Put a new key before those there are; its id. What was encrypted with the others stays readable."""
        with _only_one(self.folder):
            keys = self.sealing_keys()
            number = 1 + max((int(name[3:]) for name in keys if name[:3] == "key" and name[3:].isdigit()), default=0)
            name = f"key{number}"
            write_private(self.folder / "secrets.key", format_keys({name: secrets.token_bytes(32), **keys}).encode())
        return name

    @property
    def ca_pem(self) -> bytes:
        return self._ca.public_bytes(serialization.Encoding.PEM)

    def front_proxy(self) -> tuple[Path, Path]:
        """The certificate and key by which servers of aggregated APIs know the engine."""
        return self.folder / "front-proxy-client.crt", self.folder / "front-proxy-client.key"

    def authentication(self) -> dict[str, str]:
        """What such a server has to know to authenticate requests, as kube-system's ConfigMap holds it."""
        return {
            "client-ca-file": self.ca_pem.decode(),
            "requestheader-allowed-names": f'["{FRONT_PROXY_NAME}"]',
            "requestheader-client-ca-file": (self.folder / "front-proxy-ca.crt").read_text(encoding="ascii"),
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-username-headers": '["X-Remote-User"]',
        }

    def server_ssl(self) -> ssl.SSLContext:
        """TLS 1.2 and later; asks clients for a certificate of our CA but does not insist."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        context.load_verify_locations(self.folder / "ca.crt")
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context

    def agent_client_ssl(self) -> ssl.SSLContext:
        """For the engine's calls to node agents. Their address is a forwarded port, so names are not compared."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False
        context.load_verify_locations(self.folder / "ca.crt")
        context.load_cert_chain(self.folder / "agent-client.crt", self.folder / "agent-client.key")
        return context

    def admin_client_ssl(self) -> ssl.SSLContext:
        """For calls to other engines of the cluster."""
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        return context

    def issue_client(self, common_name: str, organizations: Sequence[str] = ()) -> tuple[bytes, bytes]:
        """(certificate, key) as PEM for a new client."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(key.public_key(), common_name, organizations, ())
        return certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key)

    def sign_csr(
        self, pem: bytes, common_name: str, organizations: Sequence[str] = (), names: Sequence[str] = ()
    ) -> bytes:
        """A certificate for the key in this request. The subject and names are ours to say, not the request's.

        With `names` it is a serving certificate, without them a client's. Raises ValueError on a bad request.
        """
        request = x509.load_pem_x509_csr(pem)
        if not request.is_signature_valid:
            raise ValueError("the certificate request is not signed by its own key")
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("the certificate request must have an elliptic-curve key")
        return self._sign(key, common_name, organizations, names).public_bytes(serialization.Encoding.PEM)

    def sign_request(self, request: x509.CertificateSigningRequest, *, server: bool, lifetime: timedelta) -> bytes:
        """A certificate as PEM with the subject, names and key of a request that somebody has judged."""
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        until = min(lifetime, self._ca.not_valid_after_utc - SystemClock().now())
        builder = self._leaf(request.subject, request.public_key(), usage, until)
        try:
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            builder = builder.add_extension(names.value, critical=names.critical)
        except x509.ExtensionNotFound:
            pass
        return builder.sign(self._ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def account_key(self) -> ec.EllipticCurvePrivateKey:
        """What signs the tokens of service accounts. Raises ValueError."""
        file = self.folder / "service-account.key"
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{file} does not hold an elliptic-curve key")
        return key

    def kubeconfig(self, server: str) -> bytes:
        """An admin's kubeconfig for this cluster, complete in itself."""

        def data(name: str) -> str:
            return base64.b64encode((self.folder / name).read_bytes()).decode()

        return f"""\
apiVersion: v1
kind: Config
current-context: pilothouse
clusters:
- name: pilothouse
  cluster:
    server: {server}
    certificate-authority-data: {data("ca.crt")}
contexts:
- name: pilothouse
  context:
    cluster: pilothouse
    user: {ADMIN_NAME}
users:
- name: {ADMIN_NAME}
  user:
    client-certificate-data: {data("admin.crt")}
    client-key-data: {data("admin.key")}
""".encode()

    def _ensure_leaf(self, name: str, common_name: str, organizations: Sequence[str], names: Sequence[str]) -> None:
        certificate_file, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if certificate_file.exists() and key_file.exists():
            held = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            if self._still_good(held, names):
                return
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(key.public_key(), common_name, organizations, names)
        _write_key(key_file, key)
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _still_good(self, certificate: x509.Certificate, names: Sequence[str]) -> bool:
        if certificate.issuer != self._ca.subject:
            return False
        if certificate.not_valid_after_utc < SystemClock().now() + timedelta(days=_RENEW_DAYS):
            return False
        if not names:
            return True
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return set(_alternative_names(names)) <= set(listed)

    def _sign(
        self,
        key: ec.EllipticCurvePublicKey,
        common_name: str,
        organizations: Sequence[str],
        names: Sequence[str],
    ) -> x509.Certificate:
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
        usage = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._leaf(x509.Name(attributes), key, usage, timedelta(days=_LEAF_DAYS))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(_alternative_names(names)), critical=False)
        return builder.sign(self._ca_key, hashes.SHA256())

    def _leaf(
        self,
        subject: x509.Name,
        key: CertificatePublicKeyTypes,
        usage: x509.ObjectIdentifier,
        valid_for: timedelta,
    ) -> x509.CertificateBuilder:
        return (
            _builder(subject, self._ca.subject, key, valid_for)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca_key.public_key()), critical=False
            )
        )


@contextmanager
def _only_one(folder: Path) -> Generator[None]:
    """Engines that share the folder make what is missing one after the other."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _ensure_ca(folder: Path, file: str = "ca") -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    certificate_file, key_file = folder / f"{file}.crt", folder / f"{file}.key"
    if certificate_file.exists() and key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_file} does not hold an elliptic-curve key")
        return key, x509.load_pem_x509_certificate(certificate_file.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    # The name is unique, so that a client holding two clusters' authorities never mixes them up.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"pilothouse-{file}-{secrets.token_hex(4)}")])
    certificate = (
        _builder(name, name, key.public_key(), timedelta(days=365 * _CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_file, key)
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return key, certificate


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, valid_for: timedelta
) -> x509.CertificateBuilder:
    now = SystemClock().now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Machines without a battery-backed clock may be a little behind.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + valid_for)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_alternative_name(name) for name in dict.fromkeys(names)]


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    _write_secret(path, _key_pem(key))


def _write_secret(path: Path, content: bytes) -> None:
    """Never readable by others, not even for the moment between making and closing the file."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def use_shared(data_dir: Path, pki_dir: Path) -> None:
    """Make the data dir's pki folder a link to one that several engines share. Raises FileExistsError, OSError.

    FileExistsError: the data dir has keys of its own already.
    """
    own, shared = data_dir / "pki", pki_dir.absolute()
    for folder in (shared, data_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if own.is_symlink() and own.resolve() != shared.resolve():
        own.unlink()
    if not (own.exists() and own.samefile(shared)):
        own.symlink_to(shared, target_is_directory=True)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file that holds a secret, atomically, mode 0600."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    _write_secret(temporary, content)
    temporary.replace(path)
