"""Machines of a lab become nodes of a real engine, and are put back."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from apimachinery.aio.tasks import TaskScope, cancel_and_wait
from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import NODES, PODS
from engine.fleet.errors import FleetError, HostKey, HostKeyUnknown, PreflightFailed
from engine.fleet.join import STEPS, Cluster, Joiner
from engine.fleet.leave import LeaveOptions, leave
from engine.fleet.nodes import NodeView
from engine.fleet.progress import StepEvent
from engine.fleet.reach import Access
from engine.fleet.ssh.connect import Login
from engine.fleet.steps.step import JoinOptions, Taint
from engine.fleet.target import Target
from engine.pki import Pki
from lab.disk import Disk
from lab.machines import Lab
from tests.engine.conftest import RunningEngine, start_engine, stop_engine

pytestmark = [pytest.mark.lab, pytest.mark.slow]

# All that a join may leave traces in, without what changes by itself.
SNAPSHOT = r"""
ps -eo args --no-headers | grep -vE '^(ps|sh|sort|sed|grep|\[)|sshd: |systemd-|agetty|/sbin/init' | sort -u
ip -o link | sed 's/.*: \(.*\):.*/\1/; s/@.*//' | sort
ip route; nft list tables; ip netns; sysctl -n net.ipv4.ip_forward
cut -d ' ' -f 5 /proc/self/mountinfo | sort
find /sys/fs/cgroup -name '*pilothouse-[ac]*' -o -name pilothouse -o -name 'pod*' | sort
find /run -not -path '/run/systemd/*' -not -path '/run/log/*' -not -path '/run/user/*' -not -path '/run/credentials/*' \
  -not -path '/run/mount' -not -path '/run/sudo*' | sort
find /etc /opt /var /usr /home /root -xdev -type d '(' -name '*pilothouse*' -o -name '*cni*' ')' | sort
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab.open(tmp_path_factory.mktemp("data"), "join")
    try:
        lab.up(2)
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture
def cluster(whole_engine: RunningEngine, bundles: Path) -> Cluster:
    cache = whole_engine.data_dir / "cache"
    cache.mkdir()
    (cache / "bundles").symlink_to(bundles)
    return Cluster(client=whole_engine.client, pki=Pki.ensure(whole_engine.data_dir), data_dir=whole_engine.data_dir)


def snapshot(lab: Lab, name: str) -> list[str]:
    """What runs and is set up on a machine, and every file that makes its disk differ from a new one's."""
    lines = lab.run(name, ["sh", "-c", SNAPSHOT]).stdout.decode().splitlines()
    disk = Disk(folder=lab.state_dir / "machines" / name)
    for top in (disk.upper, disk.real("pilothouse")):
        for path in sorted(top.rglob("*")):
            relative = path.relative_to(disk.folder)
            if path.is_dir() or relative.parts[1:3] == ("var", "log") or "systemd" in relative.parts[3:4]:
                continue
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            lines.append(f"{relative} {hashlib.md5(content).hexdigest()}")
    return lines


def target(lab: Lab, name: str) -> Target:
    return Target(host=lab.machine(name).address, user="root")


def access(lab: Lab) -> Access:
    return Access(login=Login(key_files=(str(lab.ssh_key_path),), user_config=False))


async def confirm(_: HostKey) -> bool:
    return True


async def test_a_machine_becomes_a_node_runs_pods_and_is_put_back_as_it_was(lab: Lab, cluster: Cluster) -> None:
    before = snapshot(lab, "m1")
    joiner, events = Joiner(cluster, confirm), list[StepEvent]()
    options = JoinOptions(labels={"disk": "ssd"}, taints=(Taint.parse("only=me:NoSchedule"),))
    assert await joiner.join(target(lab, "m1"), access(lab), options, events.append) == "m1"

    ended = [event for event in events if event.happening != "started"]
    assert [event.step for event in ended] == ["connect", "preflight", *(step.name for step in STEPS)]
    assert {event.happening for event in ended} == {"done", "skipped"}
    node = await cluster.client.get(NODES, "m1")
    assert node["metadata"]["labels"]["disk"] == "ssd"
    assert {"key": "only", "value": "me", "effect": "NoSchedule"} in node["spec"]["taints"]
    assert (await cluster.client.get(NODES, "m1", view=NodeView)).ready.status == "True"
    assert listening(lab, "m1") == ["127.0.0.1:10250", "127.0.0.1:6443"]

    again = list[StepEvent]()
    await joiner.join(target(lab, "m1"), access(lab), options, again.append)
    assert {event.step for event in again if event.happening == "done"} == {"connect", "preflight"}

    await run_pods(cluster, "m1", 3)
    data = "/var/lib/pilothouse/volumes/pvc-1"
    lab.run("m1", ["sh", "-c", f"mkdir -p {data} && echo kept > {data}/file"])
    gone = list[StepEvent]()
    kept = await leave(
        "m1", target(lab, "m1"), access(lab), LeaveOptions(drain_seconds=0),
        cluster=cluster, progress=gone.append, confirm=confirm,
    )  # fmt: skip
    assert kept == [data]
    assert lab.run("m1", ["find", "/var/lib/pilothouse", "-type", "f"]).stdout.decode().split() == [f"{data}/file"]
    with pytest.raises(NotFound):
        await cluster.client.get(NODES, "m1")
    assert (await cluster.client.list(PODS)).items == []
    without_data = LeaveOptions(delete_data=True)
    await leave(
        None, target(lab, "m1"), access(lab), without_data, cluster=cluster, progress=lambda _: None, confirm=confirm
    )
    await assert_as_before(lab, "m1", before)


async def test_a_join_cut_off_at_any_step_is_finished_by_the_next_one(lab: Lab, cluster: Cluster) -> None:
    before = snapshot(lab, "m1")
    joiner = Joiner(cluster, confirm)
    for step in STEPS:
        reached = asyncio.Event()

        def note(event: StepEvent, name: str = step.name, reached: asyncio.Event = reached) -> None:
            if event.step == name:
                reached.set()

        async with TaskScope("cut") as scope:
            cut = scope.spawn("join", joiner.join(target(lab, "m1"), access(lab), JoinOptions(), note))
            await reached.wait()
            await asyncio.sleep(0.05)  # somewhere in the middle of it
            await cancel_and_wait(cut)
    assert await joiner.join(target(lab, "m1"), access(lab), JoinOptions(), lambda _: None) == "m1"
    assert (await cluster.client.get(NODES, "m1", view=NodeView)).ready.status == "True"
    await leave(
        None, target(lab, "m1"), access(lab), LeaveOptions(), cluster=cluster, progress=lambda _: None, confirm=confirm
    )
    await assert_as_before(lab, "m1", before)


async def test_a_user_with_sudo_and_a_password_joins_a_machine_and_leaves_no_trace(lab: Lab, cluster: Cluster) -> None:
    password = "correct horse"
    public = lab.ssh_key_path.with_suffix(".pub").read_text()
    make = "useradd -m pi; echo 'pi ALL=(ALL) ALL' > /etc/sudoers.d/pi; mkdir -m 700 ~pi/.ssh; cat > ~pi/.ssh/authorized_keys"
    assert lab.run("m2", ["bash", "-c", f"{make}; chown -R pi: ~pi/.ssh"], stdin=public.encode()).returncode == 0
    assert lab.run("m2", ["chpasswd"], stdin=f"pi:{password}".encode()).returncode == 0
    before = snapshot(lab, "m2")
    as_pi = Target(host=lab.machine("m2").address, user="pi")
    entry = Access(login=access(lab).login, sudo_password=password)

    await Joiner(cluster, confirm).join(as_pi, entry, JoinOptions(), lambda _: None)
    node = await cluster.client.get(NODES, "m2", view=NodeView)
    assert node.ready.status == "True"
    assert node.metadata.annotations["pilothouse.dev/ssh-user"] == "pi"
    for place in ("/var/lib/pilothouse", "/etc/pilothouse", "/home/pi"):
        assert lab.run("m2", ["grep", "-rsF", password, place]).stdout == b""
    await leave(None, as_pi, entry, LeaveOptions(), cluster=cluster, progress=lambda _: None, confirm=confirm)
    await assert_as_before(lab, "m2", before)
    assert lab.run("m2", ["cat", "/home/pi/.ssh/authorized_keys"]).stdout.decode() == public


async def test_pods_and_node_are_found_again_by_an_engine_that_was_away(
    lab: Lab, tmp_path: Path, bundles: Path
) -> None:
    (tmp_path / "data" / "cache").mkdir(parents=True)
    (tmp_path / "data" / "cache" / "bundles").symlink_to(bundles)
    engine, task = await start_engine(tmp_path / "data", controllers=True)
    cluster = Cluster(client=engine.client, pki=Pki.ensure(engine.data_dir), data_dir=engine.data_dir)
    await Joiner(cluster, confirm).join(target(lab, "m1"), access(lab), JoinOptions(), lambda _: None)
    await run_pods(cluster, "m1", 1)
    session = lab.run("m1", ["cat", "/var/lib/pilothouse/link/session"]).stdout
    await stop_engine(engine, task)
    lines = lab.run("m1", ["pgrep", "-fc", "^/pause"]).stdout
    assert int(lines) >= 2  # the pod and its sandbox

    engine, task = await start_engine(tmp_path / "data", controllers=True)
    cluster = Cluster(client=engine.client, pki=Pki.ensure(engine.data_dir), data_dir=engine.data_dir)
    async with asyncio.timeout(30):
        while lab.run("m1", ["cat", "/var/lib/pilothouse/link/session"]).stdout in (b"", session):
            await asyncio.sleep(0.2)
        while (await cluster.client.get(NODES, "m1", view=NodeView)).ready.status != "True":
            await asyncio.sleep(0.2)
    assert engine.api.nodes.connections is not None
    endpoint = await engine.api.nodes.connections.endpoint("m1")
    assert endpoint.base_url.startswith("https://127.0.0.1:")
    (pod,) = (await cluster.client.list(PODS)).items
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    await remove(lab, cluster, "m1")
    await stop_engine(engine, task)


async def test_two_machines_join_at_once_and_the_second_may_not_take_the_firsts_name(
    lab: Lab, cluster: Cluster
) -> None:
    joiner = Joiner(cluster, confirm)
    joins = (joiner.join(target(lab, name), access(lab), JoinOptions(), lambda _: None) for name in ("m1", "m2"))
    assert await asyncio.gather(*joins) == ["m1", "m2"]
    with pytest.raises(FleetError, match="the machine is node m2 already"):
        await joiner.join(target(lab, "m2"), access(lab), JoinOptions(name="m1"), lambda _: None)
    await remove(lab, cluster, "m2")
    with pytest.raises(FleetError, match=r"node m1 exists and is 10\..*: choose another name with --name"):
        await joiner.join(target(lab, "m2"), access(lab), JoinOptions(name="m1"), lambda _: None)
    await remove(lab, cluster, "m2")
    await remove(lab, cluster, "m1")


async def test_a_node_of_another_cluster_is_neither_joined_nor_removed(
    lab: Lab, cluster: Cluster, tmp_path: Path
) -> None:
    joiner = Joiner(cluster, confirm)
    await joiner.join(target(lab, "m2"), access(lab), JoinOptions(), lambda _: None)
    other = Cluster(client=cluster.client, pki=Pki.ensure(tmp_path / "other"), data_dir=tmp_path / "other")
    with pytest.raises(PreflightFailed, match="it is a node of another Pilothouse cluster"):
        await Joiner(other, confirm).join(target(lab, "m2"), access(lab), JoinOptions(), lambda _: None)
    with pytest.raises(FleetError, match="a node of another cluster: nothing was changed"):
        await leave(
            None,
            target(lab, "m2"),
            access(lab),
            LeaveOptions(),
            cluster=other,
            progress=lambda _: None,
            confirm=confirm,
        )
    assert (await cluster.client.get(NODES, "m2", view=NodeView)).ready.status == "True"
    await remove(lab, cluster, "m2")


async def test_a_host_key_that_nobody_confirms_stops_the_join_before_anything_is_done(
    lab: Lab, cluster: Cluster
) -> None:
    before = snapshot(lab, "m2")

    async def refuse(_: HostKey) -> bool:
        return False

    with pytest.raises(HostKeyUnknown, match="offers an unknown host key ssh-ed25519 SHA256:"):
        await Joiner(cluster, refuse).join(target(lab, "m2"), access(lab), JoinOptions(), lambda _: None)
    assert snapshot(lab, "m2") == before


async def test_pods_go_on_while_the_agent_is_upgraded(lab: Lab, cluster: Cluster) -> None:
    joiner, events = Joiner(cluster, confirm), list[StepEvent]()
    await joiner.join(target(lab, "m2"), access(lab), JoinOptions(), lambda _: None)
    await run_pods(cluster, "m2", 1)
    lab.run("m2", ["sh", "-c", "echo old > /opt/pilothouse/running"])  # as if it had been started from an older one
    agent = lab.run("m2", ["systemctl", "show", "-P", "MainPID", "pilothouse-agent"]).stdout
    await joiner.upgrade(target(lab, "m2"), access(lab), "m2", events.append)
    assert {event.step for event in events if event.happening == "done"} == {"connect", "preflight", "restart"}
    assert lab.run("m2", ["systemctl", "show", "-P", "MainPID", "pilothouse-agent"]).stdout != agent
    pod = (await cluster.client.list(PODS)).items[0]
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    await remove(lab, cluster, "m2")


async def remove(lab: Lab, cluster: Cluster, name: str) -> None:
    options = LeaveOptions(drain_seconds=0)
    await leave(
        None, target(lab, name), access(lab), options, cluster=cluster, progress=lambda _: None, confirm=confirm
    )


def listening(lab: Lab, name: str) -> list[str]:
    """Where the link and the agent listen: on loopback, and nowhere else."""
    lines = lab.run(name, ["ss", "-Hltn"]).stdout.decode().splitlines()
    ours = (line.split()[3] for line in lines)
    return sorted(address for address in ours if address.endswith((":6443", ":10250")))


async def run_pods(cluster: Cluster, node: str, count: int) -> None:
    """Pods of the image that every node has, bound by name; returns when all run."""
    container = {"name": "idle", "image": "pilothouse.local/pause:1", "imagePullPolicy": "Never"}
    for number in range(count):
        spec = {"nodeName": node, "containers": [container], "tolerations": [{"operator": "Exists"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"idle-{number}"}, "spec": spec}
        await cluster.client.create(PODS, pod, "default")
    async with asyncio.timeout(60):
        while {pod["status"].get("phase") for pod in (await cluster.client.list(PODS)).items} != {"Running"}:
            await asyncio.sleep(0.2)


async def assert_as_before(lab: Lab, name: str, before: list[str]) -> None:
    """A moment of patience: the link's session on the machine ends when the engine has seen the Node go."""
    for _ in range(50):
        now = snapshot(lab, name)
        if now == before:
            return
        await asyncio.sleep(0.2)
    assert "\n".join(difflib.unified_diff(before, now, lineterm="", n=0)) == ""
