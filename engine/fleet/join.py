"""Joining a machine: connect, look, judge, then the steps in order. Running it again continues where it stopped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apimachinery.client.client import Client
from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import NODES
from engine.fleet import journal, preflight
from engine.fleet.bundle import Bundles
from engine.fleet.errors import FleetError
from engine.fleet.facts import Facts, gather
from engine.fleet.inventory import Inventory
from engine.fleet.nodes import ADDRESS, HOST_KEY, NodeView, annotations_for
from engine.fleet.progress import Progress, Telling
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
from engine.fleet.steps.restart import Restart
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
UPGRADE_STEPS: tuple[Step, ...] = (Packages(), Kernel(), Environment(), Credentials(), Restart(), Ready())


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

    def __init__(self, cluster: Cluster, confirm: ConfirmHostKey) -> None:
        self._cluster = cluster
        self._confirm = confirm
        self._inventory = Inventory(cluster.data_dir)
        self._bundles = Bundles(cluster.data_dir / "cache" / "bundles")

    async def join(self, target: Target, access: Access, options: JoinOptions, progress: Progress) -> str:
        """Make a machine a node; its name. Raises FleetError, whose step has been reported as failed."""
        name = await self._work(target, access, options, STEPS, progress)
        self._inventory.remember(name, access.login.key_files)
        return name

    async def upgrade(self, target: Target, access: Access, name: str, progress: Progress) -> None:
        """Bring our version of the agent to a node. Pods go on; labels, taints and settings stay."""
        await self._work(target, access, JoinOptions(name=name), UPGRADE_STEPS, progress)

    async def _work(
        self, target: Target, access: Access, options: JoinOptions, steps: Sequence[Step], progress: Progress
    ) -> str:
        telling = Telling(str(target), progress)
        with telling.step("connect", "Connect"):
            connection = await reach(target, access, self._inventory, self._confirm)
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
            for step in steps:
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
        connection = await reach(target, access, self._inventory, self._confirm)
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
        await self._refuse_taken(site, name)
        if not known:
            site.journal = msgspec.structs.replace(site.journal, node=name, cluster=self._cluster.id)
            await site.save_journal()
            await site.put(journal.CLUSTER_PATH, self._cluster.id.encode())

    async def _refuse_taken(self, site: Site, name: str) -> None:
        """Two machines with one name would fight over one Node: tell them apart by their host keys."""
        try:
            node = await self._cluster.client.get(NODES, name, view=NodeView)
        except NotFound:
            return
        known = node.metadata.annotations.get(HOST_KEY, "")
        ours = annotations_for(site.connection.hops)[HOST_KEY]
        if known != ours:
            other = node.metadata.annotations.get(ADDRESS, "another machine")
            raise FleetError(f"node {name} exists and is {other}: choose another name with --name")


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
    return await Joiner(cluster, confirm_host_key).join(target, access, options, progress)


def step_titles(steps: Sequence[Step] = STEPS) -> dict[str, str]:
    """What will be reported, in order."""
    return {"connect": "Connect", "preflight": "Look at the machine"} | {step.name: step.title for step in steps}
