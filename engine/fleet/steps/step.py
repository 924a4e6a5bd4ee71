"""What a step is, and what it may work with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from apimachinery.client.client import Client
from engine.fleet.bundle import Bundles
from engine.fleet.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinOptions:
    """What the user may choose about a node."""

    name: str = ""
    """The node's name; empty takes the machine's hostname."""
    labels: dict[str, str] = field(default_factory=dict[str, str])
    taints: tuple[Taint, ...] = ()
    registry_mirror: str = ""
    """Base URL of a registry that stands in for all others (http://10.0.0.1:5000)."""
    node_ip: str = ""
    ignore: frozenset[str] = frozenset()
    """Preflight rules that only warn."""
    ready_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """KEY[=VALUE]:EFFECT."""

    key: str
    value: str
    effect: str

    @classmethod
    def parse(cls, text: str) -> Taint:
        """Raises ValueError."""
        pair, _, effect = text.rpartition(":")
        key, _, value = pair.partition("=")
        if not key or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            raise ValueError(f"{text!r} is not KEY[=VALUE]:NoSchedule|PreferNoSchedule|NoExecute")
        return cls(key=key, value=value, effect=effect)


class Authority(Protocol):
    """The cluster's certificate authority, as much of it as a join needs."""

    @property
    def ca_pem(self) -> bytes: ...

    def sign_csr(
        self, pem: bytes, common_name: str, organizations: Sequence[str] = (), names: Sequence[str] = ()
    ) -> bytes:
        """A certificate for the key of a request; with `names` one for serving. Raises ValueError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """One machine on its way into the cluster."""

    site: Site
    name: str
    cluster: str
    options: JoinOptions
    client: Client
    pki: Authority
    link_key: str
    """The public line of the engine's own SSH key."""
    bundles: Bundles


class Step(Protocol):
    """`apply` makes `check` true; both may run at any time and any number of times."""

    @property
    def name(self) -> str:
        """One word for progress and logs."""
        ...

    @property
    def title(self) -> str:
        """What it does, for a person."""
        ...

    async def check(self, joining: Joining) -> bool:
        """Whether all that this step is for is there already."""
        ...

    async def apply(self, joining: Joining) -> None:
        """Make it so. Raises FleetError."""
        ...
