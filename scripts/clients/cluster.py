"""The cluster that a suite expects to find: with pods of the system in it, and kubeadm's admin to speak as.

Both are made with kubectl out of ordinary objects, as anybody could: nothing here is a way of the engine's own.
"""

import base64
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

REPOSITORY = Path(__file__).resolve().parents[2]
KUBECTL = REPOSITORY / ".venv/clients/kubectl"
ADMIN, ADMINS = "kubernetes-admin", "kubeadm:cluster-admins"

# A cluster of kind or K3s answers names, and measures, by pods; ours by the agent of each machine. Suites that look into
# kube-system want to see such pods run, so there are some of their names and labels, which sleep.
_SYSTEM_PODS = {"coredns": "kube-dns", "metrics-server": "metrics-server"}
_SYSTEM_POD = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: kube-system
  labels: {{k8s-app: {label}}}
spec:
  selector:
    matchLabels: {{k8s-app: {label}}}
  template:
    metadata:
      labels: {{k8s-app: {label}}}
    spec:
      containers:
      - {{name: {name}, image: "registry.k8s.io/pause:3.9"}}
"""

_ADMIN_BINDING = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: "{ADMINS}"}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects:
- {{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "{ADMINS}"}}
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """An engine with one lab machine, both under this folder and name."""

    data_dir: Path
    name: str

    def up(self) -> None:
        self.pilothouse("engine", "start", "--listen", "127.0.0.1:0")
        self.pilothouse("lab", "up", "--machines", "1", "--name", self.name)

    def down(self) -> None:
        try:
            self.pilothouse("lab", "down", "--name", self.name)
        finally:
            self.pilothouse("engine", "stop")

    def load_image(self, archive: Path) -> None:
        self.pilothouse("lab", "load-image", str(archive), "--name", self.name)

    def add_system_pods(self) -> None:
        for name, label in _SYSTEM_PODS.items():
            self.kubectl("apply", "-f", "-", stdin=_SYSTEM_POD.format(name=name, label=label))
        for name in _SYSTEM_PODS:
            self.kubectl("rollout", "status", f"deployment/{name}", "--namespace", "kube-system", "--timeout", "60s")

    def add_admin(self) -> Path:
        """The kubeconfig of kubeadm's admin, whose certificate the cluster has signed on request."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ADMINS), x509.NameAttribute(NameOID.COMMON_NAME, ADMIN)]
        )
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        self.kubectl("apply", "-f", "-", stdin=_ADMIN_BINDING)
        self.kubectl("create", "-f", "-", stdin=_signing_request(request))
        self.kubectl("certificate", "approve", ADMIN)
        signed = "jsonpath={.status.certificate}"
        self.kubectl("wait", f"--for={signed}", f"csr/{ADMIN}", "--timeout", "10s")
        certificate = self.kubectl("get", "csr", ADMIN, "--output", signed)
        return self._kubeconfig(certificate, key)

    def _kubeconfig(self, certificate: str, key: ec.EllipticCurvePrivateKey) -> Path:
        config = yaml.safe_load((self.data_dir / "kubeconfig").read_text())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        user = {"client-certificate-data": certificate, "client-key-data": base64.b64encode(pem).decode()}
        config["users"] = [{"name": ADMIN, "user": user}]
        config["contexts"][0]["context"]["user"] = ADMIN
        file = self.data_dir / "kubeadm-admin"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(config))
        return file

    def kubectl(self, *words: str, stdin: str = "") -> str:
        argv = [str(KUBECTL), "--kubeconfig", str(self.data_dir / "kubeconfig"), *words]
        return subprocess.run(argv, input=stdin, text=True, check=True, stdout=subprocess.PIPE, timeout=120).stdout

    def pilothouse(self, *words: str) -> None:
        argv = [sys.executable, "-m", "pilothouse", "--data-dir", str(self.data_dir), *words]
        subprocess.run(argv, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL, timeout=600)


def _signing_request(request: x509.CertificateSigningRequest) -> str:
    pem = base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], "request": pem}
    return yaml.safe_dump(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": ADMIN},
            "spec": spec,
        }
    )
