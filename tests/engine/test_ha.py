"""Three engines on one etcd of three members: what others wrote shows at once, and any of them may die."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import AlreadyExists, Conflict, NotFound, StatusError
from apimachinery.objects.resources import CONFIGMAPS, DEPLOYMENTS, LEASES, REPLICASETS, SERVICES
from tests.engine.store.etcdserver import EtcdCluster, etcd_cluster

ROOT = Path(__file__).parents[2]


@dataclass
class Engine:
    process: asyncio.subprocess.Process
    client: Client

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@dataclass
class Site:
    etcd: EtcdCluster
    engines: list[Engine]

    @property
    def living(self) -> list[Engine]:
        return [engine for engine in self.engines if engine.alive]


async def start_engine(data_dir: Path, etcd: EtcdCluster, pki: Path) -> Engine:
    words = data_dir.with_suffix(".log")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir), "engine", "run", "--listen", "127.0.0.1:0",
        "--store", "etcd", "--etcd-endpoints", ",".join(etcd.endpoints), "--pki-dir", str(pki),
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=words.open("wb"),
    )  # fmt: skip
    async with asyncio.timeout(30):
        while not (data_dir / "engine.json").exists():
            assert process.returncode is None, words.read_text()
            await asyncio.sleep(0.05)
    return Engine(process, Client(kubeconfig.load(data_dir / "kubeconfig").transport()))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        etcd = await stack.enter_async_context(etcd_cluster(tmp_path / "etcd", 3))
        # All at once: who makes the keys first is as it comes.
        engines = await asyncio.gather(
            *(start_engine(tmp_path / f"engine{number}", etcd, tmp_path / "pki") for number in range(3))
        )
        try:
            yield Site(etcd, engines)
        finally:
            for engine in engines:
                await engine.client.close()
                if engine.alive:
                    await engine.kill()


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports, **spec}}


def deployment(name: str) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


async def leader_of(site: Site, lease: str) -> Engine | None:
    """The living engine that holds a Lease."""
    try:
        spec = (await site.living[0].client.get(LEASES, lease, "kube-system"))["spec"]
    except NotFound:
        return None
    pid = spec["holderIdentity"].rpartition("_")[2].partition("-")[0]
    return next((engine for engine in site.living if str(engine.process.pid) == pid), None)


async def test_write_through_one_engine_shows_at_once_through_the_others(site: Site) -> None:
    first, second, third = (engine.client for engine in site.engines)
    for number in range(30):
        name = f"fresh-{number}"
        await first.create(CONFIGMAPS, config_map(name), "default")
        await second.patch(CONFIGMAPS, name, {"data": {"by": "second"}}, "default")
        assert (await third.get(CONFIGMAPS, name, "default"))["data"] == {"by": "second"}
        await third.delete(CONFIGMAPS, name, "default")
        with pytest.raises(NotFound):
            await first.get(CONFIGMAPS, name, "default")


async def test_watch_begun_at_another_engines_revision_misses_nothing(site: Site) -> None:
    first, second, _ = (engine.client for engine in site.engines)
    created = await first.create(CONFIGMAPS, config_map("watched"), "default")
    await first.patch(CONFIGMAPS, "watched", {"data": {"n": "1"}}, "default")
    version = created["metadata"]["resourceVersion"]
    async with asyncio.timeout(10):
        async for event in second.watch(CONFIGMAPS, "default", resource_version=version):
            assert (event.type, event.object["data"]) == ("MODIFIED", {"n": "1"})
            break


async def test_engines_never_give_one_address_or_port_to_two_services(site: Site) -> None:
    clients = [engine.client for engine in site.engines]
    names = [f"s{number}" for number in range(45)]
    made = await asyncio.gather(
        *(c.create(SERVICES, service(n, type="NodePort"), "default") for c, n in zip(itertools.cycle(clients), names))
    )
    assert len({one["spec"]["clusterIP"] for one in made}) == 45
    assert len({one["spec"]["ports"][0]["nodePort"] for one in made}) == 45
    # The same value asked for by all three at the same moment.
    claims = (
        c.create(SERVICES, service(f"same-{n}", clusterIP="10.43.0.99"), "default") for n, c in enumerate(clients)
    )
    answers = await asyncio.gather(*claims, return_exceptions=True)
    refused = [str(answer) for answer in answers if isinstance(answer, StatusError)]
    assert len(refused) == 2
    assert all("provided IP is already allocated" in text for text in refused)
    holder = next(answer for answer in answers if isinstance(answer, dict))["metadata"]["name"]
    await clients[0].delete(SERVICES, holder, "default")
    again = await clients[1].create(SERVICES, service("later", clusterIP="10.43.0.99"), "default")
    assert again["spec"]["clusterIP"] == "10.43.0.99"


@dataclass
class History:
    """What was acknowledged, and what may or may not have happened."""

    created: dict[str, str] = field(default_factory=dict)
    counted: list[int] = field(default_factory=list)
    unknown: int = 0
    last: float = 0.0
    longest_gap: float = 0.0

    def acknowledged(self) -> None:
        now = time.monotonic()
        self.longest_gap = max(self.longest_gap, now - (self.last or now))
        self.last = now


async def write(site: Site, writer: int, history: History, stop: asyncio.Event) -> None:
    """Creates and compare-and-swap increments, at whichever engine answers."""
    for number in itertools.count():
        if stop.is_set():
            return
        living = site.living
        client = living[(writer + number // 5) % len(living)].client
        try:
            name = f"w{writer}-{number}"
            created = await client.create(CONFIGMAPS, config_map(name), "default")
            history.created[name] = created["metadata"]["uid"]
            history.acknowledged()
        except (ConnectionFailed, StatusError):
            await asyncio.sleep(0.05)
        try:
            counter = await client.get(CONFIGMAPS, "counter", "default")
            value = int(counter["data"]["n"]) + 1
            counter["data"]["n"] = str(value)
        except (ConnectionFailed, StatusError):
            continue
        try:
            await client.update(CONFIGMAPS, counter)
            history.counted.append(value)
        except Conflict:
            continue
        except (ConnectionFailed, StatusError):
            history.unknown += 1


@pytest.mark.slow
async def test_killing_an_engine_and_an_etcd_member_loses_nothing_acknowledged(site: Site) -> None:
    await site.engines[0].client.create(CONFIGMAPS, config_map("counter", n="0"), "default")
    history, stop = History(), asyncio.Event()
    async with asyncio.timeout(20):
        while (leader := await leader_of(site, "kube-controller-manager")) is None:
            await asyncio.sleep(0.2)
    writers = [asyncio.ensure_future(write(site, writer, history, stop)) for writer in range(6)]
    await asyncio.sleep(2)
    await leader.kill()
    killed = time.monotonic()
    await site.etcd.members[0].kill()
    await asyncio.sleep(2)
    before = len(history.created)
    # The API stays up through the others, and their controllers take over.
    await put(site, deployment("after"))
    async with asyncio.timeout(20):
        while not (await site.living[0].client.list(REPLICASETS, "default")).items:
            await asyncio.sleep(0.1)
    failover = time.monotonic() - killed
    stop.set()
    await asyncio.gather(*writers)
    assert failover < 15
    assert len(history.created) > before
    assert history.longest_gap < 8
    for engine in site.living:
        found = {
            o["metadata"]["name"]: o["metadata"]["uid"] for o in (await engine.client.list(CONFIGMAPS, "default")).items
        }
        lost = {name for name, uid in history.created.items() if found.get(name) != uid}
        assert not lost
        final = int((await engine.client.get(CONFIGMAPS, "counter", "default"))["data"]["n"])
        # Each acknowledged increment happened once; one whose answer was lost, at most once.
        assert len(history.counted) == len(set(history.counted))
        assert len(history.counted) <= final <= len(history.counted) + history.unknown


async def put(site: Site, obj: dict[str, Any]) -> None:
    """Create, however many engines must be asked."""
    async with asyncio.timeout(15):
        for engine in itertools.cycle(site.living):
            try:
                await engine.client.create(DEPLOYMENTS, obj, "default")
            except AlreadyExists:
                return
            except (ConnectionFailed, StatusError):
                await asyncio.sleep(0.1)
                continue
            return
