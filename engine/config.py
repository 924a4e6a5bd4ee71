"""What the engine can be told on start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import platformdirs


def default_data_dir() -> Path:
    return Path(platformdirs.user_data_dir("pilothouse"))


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one engine. Port 0 takes a free one; engine.json in the data dir tells which."""

    data_dir: Path = msgspec.field(default_factory=default_data_dir)
    host: str = "127.0.0.1"
    port: int = 6443
    kubeconfig_out: Path | None = None
    store: Literal["sqlite", "etcd"] = "sqlite"
    etcd_endpoints: tuple[str, ...] = ()
    """URLs; those with https:// need `etcd_ca_file`."""
    etcd_ca_file: Path | None = None
    etcd_cert_file: Path | None = None
    etcd_key_file: Path | None = None
    etcd_user: str = ""
    etcd_password_file: Path | None = None
    """Without it the password is PILOTHOUSE_ETCD_PASSWORD of the environment."""
    pki_dir: Path | None = None
    """Keys shared by all engines of one cluster, in place of the data dir's own."""
    cluster_cidr: str = "10.42.0.0/16"
    service_cidr: str = "10.43.0.0/16"
    node_port_range: tuple[int, int] = (30000, 32767)
    load_balancer_pool: tuple[str, ...] = ()
    """Addresses for Services of type LoadBalancer: networks (192.168.1.240/28), ranges (192.168.1.10-192.168.1.20)."""
    cluster_domain: str = "cluster.local"
    scheduler_config: Path | None = None
    """A KubeSchedulerConfiguration; without it there is the one profile `default-scheduler`."""
    audit_log: bool = False
    """Write who did what to audit.log in the data dir."""
    pod_security_exempt_users: tuple[str, ...] = ()
    pod_security_exempt_namespaces: tuple[str, ...] = ()
    pod_security_exempt_runtime_classes: tuple[str, ...] = ()
    """Whose pods Pod Security lets through, whatever the labels of their namespaces say."""
    enforce_owner_references: bool = False
    """Only who may delete an object gives it owners; only who may hold an owner back lets it wait for the object."""
    oidc_issuer_url: str = ""
    """An OpenID provider whose ID tokens say who people are; the other oidc_ fields as upstream's flags."""
    oidc_client_id: str = ""
    oidc_ca_file: Path | None = None
    oidc_username_claim: str = "sub"
    oidc_username_prefix: str = ""
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_required_claims: dict[str, str] = {}
    oidc_signing_algs: tuple[str, ...] = ("RS256",)
    controllers: bool = True
    """False serves the API alone: no controllers, no scheduler, no links to machines."""


class Running(msgspec.Struct, frozen=True):
    """engine.json: the process that serves a data dir, and where."""

    pid: int
    address: str
    port: int
