"""Joining a machine: connect, look, judge, then the steps in order. Running it again continues where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from engine.fleet import journal, preflight
from engine.fleet.bundle import Bundles
from engine.fleet.errors import FleetError, StepFailed
from engine.fleet.facts import Facts, gather
from engine.fleet.inventory import HostKeys
from engine.fleet.reach import Access, ConfirmHostKey, reach
from engine.fleet.site import Site
from engine.fleet.ssh.hostkeys import generate_key
from engine.fleet.steps.agent import Agent
from engine.fleet.steps.credentials import Credentials, cluster_id
from engine.fleet.steps.environment import Environment
from engine.fleet.steps.kernel import Kernel
from engine.fleet.steps.link import LinkKey
from engine.fleet.steps.packages import Packages
from engine.fleet.steps.ready import Ready
from engine.fleet.steps.registration import Registration
from engine.fleet.steps.runtime import Runtime
from engine.fleet.steps.step import Authority, Joining, JoinOptions, Step
from engine.fleet.target import Target

STEPS: tuple[Step, ...] = (
    Packages(),
    Kernel(),
    Environment(),
    Runtime(),
    Credentials(),
    LinkKey(),
    Registration(),
    Agent(),
    Ready(),
)
Happening = Literal["started", "skipped", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent:
    """Progress of one machine: `step` is "connect", "preflight" or a step's name; `seconds` is how long it took."""

    machine: str
    step: str
    title: str
    happening: Happening
    seconds: float = 0.0
    message: str = ""


Progress = Callable[[StepEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster that machines join: its API, its authority, and the engine's data dir with its SSH key."""

    client: Client
    pki: Authority
    data_dir: Path

    @property
    def id(self) -> str:
        return cluster_id(self.pki.ca_pem)

    @property
    def link_key_path(self) -> Path:
        return self.data_dir / "pki" / "ssh" / "id_ed25519"


class Joiner:
    """Joins machines into one cluster; several at once share what is built for them."""

    def __init__(self, cluster: Cluster, progress: Progress, confirm: ConfirmHostKey) -> None:
        self._cluster = cluster
        self._progress = progress
        self._confirm = confirm
        self._keys = HostKeys(cluster.data_dir)
        self._bundles = Bundles(cluster.data_dir / "cache" / "bundles")

    async def join(self, target: Target, access: Access, options: JoinOptions) -> str:
        """Make a machine a node; its name. Raises FleetError, whose step has been reported as failed."""
        telling = _Telling(str(target), self._progress)
        with telling.step("connect", "Connect"):
            connection = await reach(target, access, self._keys, self._confirm)
        try:
            with telling.step("preflight", "Look at the machine"):
                facts = await gather(connection, time.time)
                name = options.name or facts.hostname.split(".")[0].lower()
                preflight.require(self._judge(facts, name, options))
                site = Site(connection, facts)
                await site.load_journal()
                await self._claim(site, name)
            joining = Joining(
                site=site,
                name=name,
                cluster=self._cluster.id,
                options=options,
                client=self._cluster.client,
                pki=self._cluster.pki,
                link_key=generate_key(self._cluster.link_key_path, "pilothouse-link"),
                bundles=self._bundles,
            )
            for step in STEPS:
                with telling.step(step.name, step.title) as outcome:
                    if await step.check(joining):
                        outcome.skipped = True
                    else:
                        await step.apply(joining)
            return name
        finally:
            await connection.close()

    async def look(self, target: Target, access: Access, options: JoinOptions) -> tuple[Facts, list[preflight.Finding]]:
        """Facts and findings of a machine; changes nothing on it."""
        connection = await reach(target, access, self._keys, self._confirm)
        try:
            facts = await gather(connection, time.time)
        finally:
            await connection.close()
        return facts, self._judge(facts, options.name or facts.hostname.split(".")[0].lower(), options)

    def _judge(self, facts: Facts, name: str, options: JoinOptions) -> list[preflight.Finding]:
        return preflight.judge(facts, preflight.Wanted(name=name, cluster=self._cluster.id), options.ignore)

    async def _claim(self, site: Site, name: str) -> None:
        """Mark the machine as ours before anything else is done to it."""
        known = site.journal.node
        if known not in ("", name):
            raise FleetError(f"the machine is node {known} already: use that name, or remove the node first")
        if not known:
            site.journal = msgspec.structs.replace(site.journal, node=name, cluster=self._cluster.id)
            await site.save_journal()
            await site.put(journal.CLUSTER_PATH, self._cluster.id.encode())


async def join(
    target: Target,
    options: JoinOptions,
    *,
    access: Access,
    client: Client,
    pki: Authority,
    data_dir: Path,
    progress: Progress,
    confirm_host_key: ConfirmHostKey,
) -> str:
    """Join one machine; the node's name. For several at once keep one Joiner."""
    cluster = Cluster(client=client, pki=pki, data_dir=data_dir)
    return await Joiner(cluster, progress, confirm_host_key).join(target, access, options)


def step_titles(steps: Sequence[Step] = STEPS) -> dict[str, str]:
    """What will be reported, in order."""
    return {"connect": "Connect", "preflight": "Look at the machine"} | {step.name: step.title for step in steps}


@dataclass(slots=True)
class _Outcome:
    skipped: bool = False


class _Telling:
    """Reports each step's beginning and end."""

    def __init__(self, machine: str, progress: Progress) -> None:
        self._machine = machine
        self._progress = progress

    @contextmanager
    def step(self, name: str, title: str) -> Generator[_Outcome]:
        """Reports the end of what happens within; API errors come out as StepFailed."""
        outcome = _Outcome()
        started = time.monotonic()
        self._tell(name, title, "started", 0.0)
        try:
            yield outcome
        except (FleetError, StatusError, ConnectionFailed, OSError, ValueError) as error:
            self._tell(name, title, "failed", time.monotonic() - started, str(error))
            if isinstance(error, FleetError):
                raise
            raise StepFailed(f"{title}: {error}") from error
        self._tell(name, title, "skipped" if outcome.skipped else "done", time.monotonic() - started)

    def _tell(self, name: str, title: str, happening: Happening, seconds: float, message: str = "") -> None:
        event = StepEvent(
            machine=self._machine, step=name, title=title, happening=happening, seconds=seconds, message=message
        )
        self._progress(event)
