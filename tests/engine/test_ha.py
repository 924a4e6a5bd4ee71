"""Three engines on one etcd of three members: what others wrote shows at once, and any of them may die."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import AlreadyExists, NotFound, StatusError
from apimachinery.objects.resources import CONFIGMAPS, DEPLOYMENTS, LEASES, REPLICASETS, SERVICES
from tests.engine.history import Recorder, problems
from tests.engine.store.etcdserver import EtcdCluster, etcd_cluster
from tests.engine.watchlog import Watcher, all_problems

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
    with words.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir), "engine", "run", "--listen", "127.0.0.1:0",
        "--store", "etcd", "--etcd-endpoints", ",".join(etcd.endpoints), "--pki-dir", str(pki),
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=log,
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
        only = "metadata.name=watched"
        async for event in second.watch(CONFIGMAPS, "default", resource_version=version, field_selector=only):
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


async def create_all_along(site: Site, writer: int, created: dict[str, str], stop: asyncio.Event) -> None:
    """Creates objects at whichever engine answers; what was acknowledged, with its uid, goes into `created`."""
    for number in itertools.count():
        if stop.is_set():
            return
        living = site.living
        name = f"w{writer}-{number}"
        try:
            answer = await living[(writer + number) % len(living)].client.create(
                CONFIGMAPS, config_map(name), "default"
            )
        except (ConnectionFailed, StatusError):
            await asyncio.sleep(0.05)
        else:
            created[name] = answer["metadata"]["uid"]


@pytest.mark.slow
async def test_killing_an_engine_and_an_etcd_member_loses_nothing_acknowledged(site: Site) -> None:
    created: dict[str, str] = {}
    stop = asyncio.Event()
    recorder = Recorder(lambda number: site.living[number % len(site.living)].client)
    await recorder.prepare()
    async with asyncio.timeout(20):
        while (leader := await leader_of(site, "kube-controller-manager")) is None:
            await asyncio.sleep(0.2)
    work = [asyncio.ensure_future(create_all_along(site, writer, created, stop)) for writer in range(3)]
    work.append(asyncio.ensure_future(recorder.run(6)))
    watchers = [Watcher(lambda turn: site.living[turn % len(site.living)].client, number) for number in range(3)]
    watching = [asyncio.ensure_future(turn) for w in watchers for turn in (w.run(), w.list_often())]
    await asyncio.sleep(2)
    await leader.kill()
    killed = time.monotonic()
    await site.etcd.members[0].kill()
    await asyncio.sleep(2)
    before = len(created)
    # The API stays up through the others, and their controllers take over.
    await put(site, deployment("after"))
    async with asyncio.timeout(20):
        while not (await site.living[0].client.list(REPLICASETS, "default")).items:
            await asyncio.sleep(0.1)
    failover = time.monotonic() - killed
    stop.set()
    recorder.stopped = True
    await asyncio.gather(*work)
    for watcher in watchers:
        await watcher.catch_up(max(operation.revision for operation in recorder.operations))
    for task in watching:
        task.cancel()
    await asyncio.wait(watching)
    assert failover < 15
    assert recorder.longest_silence < 8
    assert len(created) > before
    for engine in site.living:
        listed = await engine.client.list(CONFIGMAPS, "default")
        found = {item["metadata"]["name"]: item["metadata"]["uid"] for item in listed.items}
        assert {name for name, uid in created.items() if found.get(name) != uid} == set()
    assert sum(1 for operation in recorder.operations if operation.revision) > 100
    assert problems(recorder.operations) == []
    # Somebody watched through the engine that died, and went on through another.
    assert max(watcher.resumed for watcher in watchers) > 1
    assert all_problems(watchers, recorder.operations) == []


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
