"""Keys stay on the machine; only certificates that fit them are taken in."""

import datetime as dt
import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nodeagent import enrol


class Authority:
    def __init__(self, name: str = "test-ca") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = self._sign(self.name, self.key.public_key())

    def sign(self, request: str) -> str:
        csr = x509.load_pem_x509_csr(request.encode())
        assert csr.is_signature_valid
        return self._sign(csr.subject, csr.public_key())

    def _sign(self, subject: x509.Name, key: object) -> str:
        start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)  # type: ignore[arg-type]
        builder = builder.serial_number(7).not_valid_before(start).not_valid_after(start.replace(year=2036))
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def certificates(authority: Authority, requests: dict[str, str]) -> dict[str, str]:
    return {role: authority.sign(pem) for role, pem in requests.items()} | {"ca": authority.pem}


def test_requests_name_the_node_and_its_group(tmp_path: Path) -> None:
    csr = x509.load_pem_x509_csr(enrol.requests(tmp_path, "pi-1")["client"].encode())
    names = {attribute.oid: attribute.value for attribute in csr.subject}
    assert names == {NameOID.COMMON_NAME: "system:node:pi-1", NameOID.ORGANIZATION_NAME: "system:nodes"}


def test_the_serving_request_asks_for_the_address_that_the_engine_dials(tmp_path: Path) -> None:
    csr = x509.load_pem_x509_csr(enrol.requests(tmp_path, "pi-1")["serving"].encode())
    alternatives = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternatives.get_values_for_type(x509.DNSName) == ["pi-1"]
    assert [str(ip) for ip in alternatives.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_keys_are_private_and_kept_when_enrolling_again(tmp_path: Path) -> None:
    enrol.requests(tmp_path, "pi-1")
    before = (tmp_path / "client.key").read_bytes()
    enrol.requests(tmp_path, "pi-1")
    assert (tmp_path / "client.key").read_bytes() == before
    assert stat.S_IMODE((tmp_path / "client.key").stat().st_mode) == 0o600


def test_fitting_certificates_are_installed(tmp_path: Path) -> None:
    authority = Authority()
    enrol.install(tmp_path, json.dumps(certificates(authority, enrol.requests(tmp_path, "pi-1"))).encode())
    assert (tmp_path / "ca.crt").read_text() == authority.pem
    assert (tmp_path / "client.crt").exists()
    assert (tmp_path / "serving.crt").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"client": "nonsense"}, "client: not a PEM certificate", id="not a certificate"),
        pytest.param({"serving": None}, "Expected `str`", id="a certificate missing"),
        pytest.param({"ca": Authority("other").pem}, "was not issued by the given ca", id="another authority"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path, change: dict[str, str], message: str) -> None:
    body = certificates(Authority(), enrol.requests(tmp_path, "pi-1")) | change
    with pytest.raises(enrol.EnrolError, match=message):
        enrol.install(tmp_path, json.dumps(body).encode())
    assert not list(tmp_path.glob("*.crt"))


def test_a_certificate_for_another_machines_key_is_refused(tmp_path: Path) -> None:
    authority = Authority()
    elsewhere = enrol.requests(tmp_path / "other", "pi-2")
    enrol.requests(tmp_path / "mine", "pi-1")
    with pytest.raises(enrol.EnrolError, match="does not belong to"):
        enrol.install(tmp_path / "mine", json.dumps(certificates(authority, elsewhere)).encode())
