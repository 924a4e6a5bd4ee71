"""One real machine of its own for the tests of this folder: containerd, network namespace, API server, agent.

The test process enters the machine's network for the length of a test, so that probes, streams and the API server
work over its loopback and bridge and nothing of the host's network is touched.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from apimachinery.aio.clock import SystemClock
from apimachinery.client.client import Client
from apimachinery.client.http import HttpTransport
from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import CONFIGMAPS, EVENTS, PODS, SERVICEACCOUNTS
from engine.apiserver.bootstrap import ensure_objects
from engine.apiserver.server import open_store, serve_api
from engine.pki import Pki
from lab.images.build import build_all
from lab.syscalls import Clone, enter_namespace
from nodeagent import enrol
from nodeagent import main as agent_main
from nodeagent.config import AgentConfig
from nodeagent.cri.containerd import Containerd
from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.pause import IMAGE

CONTAINERD = """
version = 2
root = "{root}/containerd"
state = "{root}/run"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{root}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  stats_collect_period = 1
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{root}/cni"
"""
CONFLIST = """{{"cniVersion": "0.4.0", "name": "test", "plugins": [
  {{"type": "bridge", "bridge": "agt0", "isGateway": true, "hairpinMode": true,
    "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "10.42.9.0/24"}}]], "dataDir": "{root}/ipam"}}}},
  {{"type": "portmap", "capabilities": {{"portMappings": true}}, "snat": true}}]}}
"""


@dataclass
class PrivateMachine:
    """A containerd nobody else uses, in a network namespace nobody else uses."""

    root: Path
    network: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        return str(self.root / "containerd.sock")

    @property
    def cgroup_root(self) -> str:
        return f"/{self.network}"

    def start(self) -> None:
        (self.root / "cni").mkdir(exist_ok=True)
        (self.root / "containerd.toml").write_text(CONTAINERD.format(root=self.root, pause=IMAGE))
        (self.root / "cni" / "10-test.conflist").write_text(CONFLIST.format(root=self.root))
        command = ["nsenter", f"--net=/run/netns/{self.network}", "containerd", "-c", f"{self.root}/containerd.toml"]
        with (self.root / "containerd.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        version = ["ctr", "-a", self.socket, "version"]
        while subprocess.run(version, capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < deadline, (self.root / "containerd.log").read_text()[-2000:]
            time.sleep(0.1)

    def stop(self) -> None:
        """containerd alone: its containers go on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ctr(self, *words: str) -> str:
        command = ["ctr", "-a", self.socket, "-n", "k8s.io", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def load_images(self) -> None:
        """Give the runtime what the tests' pods run."""
        for archive in build_all(self.root / "images", ["busybox"]):
            subprocess.run(["ctr", "-a", self.socket, "-n", "k8s.io", "images", "import", str(archive)], check=True)

    def kill_everything(self) -> None:
        for task in self.ctr("tasks", "ls", "-q").split():
            self.ctr("tasks", "kill", "-s", "KILL", task)
        for _ in range(3):
            for task in self.ctr("tasks", "ls", "-q").split():
                self.ctr("tasks", "delete", "--force", task)
            time.sleep(0.1)


@pytest.fixture(scope="session")
def private_machine() -> Iterator[PrivateMachine]:
    """Fails, rather than skips, where root or containerd is missing: the mark `lab` says that they are needed."""
    root = Path(tempfile.mkdtemp(prefix="agent-test-", dir="/var/lib"))
    network = root.name
    subprocess.run(["ip", "netns", "add", network], check=True)
    subprocess.run(["ip", "-n", network, "link", "set", "lo", "up"], check=True)
    machine = PrivateMachine(root, network)
    try:
        machine.start()
        machine.load_images()
        yield machine
        machine.kill_everything()
    finally:
        machine.stop()
        _unmount_below(root)
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["ip", "netns", "del", network], check=False)
        _remove_cgroups(network)


@pytest.fixture
def in_network(private_machine: PrivateMachine) -> Iterator[PrivateMachine]:
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    inside = os.open(f"/run/netns/{private_machine.network}", os.O_RDONLY)
    enter_namespace(inside, Clone.NEWNET)
    try:
        yield private_machine
    finally:
        enter_namespace(home, Clone.NEWNET)
        os.close(inside)
        os.close(home)


@dataclass
class Cluster:
    """An API server without controllers, and this machine's agent, which tests start and stop."""

    machine: PrivateMachine
    client: Client
    pki: Pki
    config: AgentConfig
    agent: agent_main.Agent | None = None
    created: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _stack: AsyncExitStack | None = None

    async def start_agent(self) -> agent_main.Agent:
        stack = AsyncExitStack()
        await stack.__aenter__()
        runtime = await stack.enter_async_context(Containerd(self.machine.socket))
        transport = HttpTransport(self.config.api_server, ssl_context=agent_main.client_tls(self.config))
        client = Client(transport, field_manager="kubelet")
        stack.push_async_callback(client.close)
        self._stack = stack
        self.agent = await agent_main.start(stack, self.config, client, runtime, agent_main.server_tls(self.config))
        return self.agent

    async def stop_agent(self) -> None:
        if self._stack is not None:
            stack, self._stack = self._stack, None
            await stack.aclose()

    def agent_url(self, path: str) -> str:
        assert self.agent is not None
        return f"https://127.0.0.1:{self.agent.address[1]}{path}"


@pytest.fixture
async def cluster(in_network: PrivateMachine, tmp_path: Path) -> AsyncIterator[Cluster]:
    clock = SystemClock()
    pki = Pki.ensure(tmp_path / "engine")
    work = Path(tempfile.mkdtemp(prefix="case-", dir=in_network.root))
    store = await open_store(tmp_path / "engine" / "store.db")
    async with serve_api(
        store,
        clock,
        listen=("127.0.0.1", 0),
        tls=pki.server_ssl(),
        tokens=pki.folder / "tokens.csv",
        account_key=pki.account_key(),
        issuer="https://kubernetes.default.svc.cluster.local",
        service_cidr="10.43.0.0/16",
        node_ports=(30000, 32767),
    ) as api:
        own, trust = api.client("apiserver"), pki.authentication()
        await ensure_objects(own, service_cidr="10.43.0.0/16", address=api.http.address, authentication=trust)
        config = _enrolled(pki, in_network, work, f"https://127.0.0.1:{api.http.address[1]}")
        admin = Client(api.client("admin").transport, field_manager="test")
        # No controllers run here: what they put into every namespace for its pods.
        await admin.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}}, "default")
        root_ca = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": pki.ca_pem.decode()}}
        await admin.create(CONFIGMAPS, root_ca, "default")
        joined = Cluster(in_network, admin, pki, config)
        try:
            yield joined
        finally:
            await joined.stop_agent()
    await store.close()
    in_network.kill_everything()
    async with Containerd(in_network.socket) as runtime:
        for sandbox in await runtime.sandboxes():
            await _end(runtime, sandbox.id)
    _unmount_below(work)


async def _end(runtime: Containerd, sandbox: str) -> None:
    """A container that the agent was just starting when it was stopped can be removed a moment later only."""
    for patience in (0.5, 1, 2, 4, 8, None):
        try:
            await runtime.stop_sandbox(sandbox)
            await runtime.remove_sandbox(sandbox)
        except RuntimeFailure:
            if patience is None:
                raise
            await asyncio.sleep(patience)
        else:
            return


def _enrolled(pki: Pki, machine: PrivateMachine, work: Path, api_server: str) -> AgentConfig:
    state = work / "agent"
    asked = enrol.requests(state, "m1")
    signed = {
        "client": pki.sign_csr(asked["client"].encode(), "system:node:m1", ["system:nodes"]).decode(),
        "serving": pki.sign_csr(asked["serving"].encode(), "system:node:m1", [], ["m1", "127.0.0.1"]).decode(),
        "ca": pki.ca_pem.decode(),
    }
    enrol.install(state, enrol.msgspec.json.encode(signed))
    return AgentConfig(
        node_name="m1",
        api_server=api_server,
        ca_file=str(state / "ca.crt"),
        client_cert_file=str(state / "client.crt"),
        client_key_file=str(state / "client.key"),
        serving_cert_file=str(state / "serving.crt"),
        serving_key_file=str(state / "serving.key"),
        cri_socket=machine.socket,
        node_ip="127.0.0.1",
        listen="127.0.0.1:0",
        pod_dir=str(work / "pods"),
        static_pod_dir=str(work / "manifests"),
        state_dir=str(state),
        volume_dir=str(work / "volumes"),
        kubelet_dir=str(work / "kubelet"),
        log_dir=str(work / "logs"),
        cni_conf_dir=str(machine.root / "cni"),
        cgroup_root=machine.cgroup_root,
        eviction_monitoring_period=1.0,
        network=False,
    )


def _unmount_below(root: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{root}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False)


def _remove_cgroups(name: str) -> None:
    for folder, _, _ in os.walk("/sys/fs/cgroup", topdown=False):
        if f"/{name}" in folder:
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def pod_manifest(name: str, command: str = "sleep 1000000", **spec: Any) -> dict[str, Any]:
    """A pod of one busybox container, placed on the machine."""
    container = {
        "name": "main",
        "image": "busybox:latest",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", command],
    }
    container |= spec.pop("container", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"nodeName": "m1", "terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


async def until(
    cluster: Cluster,
    name: str,
    holds: Callable[[dict[str, Any]], object],
    timeout: float = 15,
    *,
    missing: bool = False,
) -> Any:
    """Wait until the pod's object satisfies `holds`; the object. On time-out the failure shows the last one.

    `missing`: whether it may be missing meanwhile.
    """
    pod: dict[str, Any] = {}
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            pod = await cluster.client.get(PODS, name, "default")
        except NotFound:
            if not missing:
                raise
        else:
            if holds(pod):
                return pod
        await asyncio.sleep(0.03)
    raise AssertionError(f"{name} did not get there in {timeout} s; its status is {pod.get('status')}")


async def until_gone(cluster: Cluster, name: str, timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            await cluster.client.get(PODS, name, "default")
        except NotFound:
            return
        await asyncio.sleep(0.03)
    raise AssertionError(f"{name} is still there after {timeout} s")


def ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def phase(word: str) -> Callable[[dict[str, Any]], bool]:
    return lambda pod: pod.get("status", {}).get("phase") == word


def container(pod: dict[str, Any], name: str = "main") -> dict[str, Any]:
    """The status of one container; empty before there is any."""
    status = pod.get("status", {})
    listed = [*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())]
    return next((c for c in listed if c["name"] == name), {})


def waiting(reason: str, name: str = "main") -> Callable[[dict[str, Any]], bool]:
    return lambda pod: container(pod, name).get("state", {}).get("waiting", {}).get("reason") == reason


async def run_pod(cluster: Cluster, manifest: dict[str, Any], holds: Callable[[dict[str, Any]], object] = ready) -> Any:
    await cluster.client.create(PODS, manifest, "default")
    return await until(cluster, manifest["metadata"]["name"], holds)


async def events(cluster: Cluster, name: str) -> list[tuple[str, str, str]]:
    """(type, reason, message) of what was told about a pod, once the recorder had time to tell it."""
    await asyncio.sleep(0.2)
    listed = (await cluster.client.list(EVENTS, "default")).items
    return [(e["type"], e["reason"], e["message"]) for e in listed if e["involvedObject"]["name"] == name]


def log_files(cluster: Cluster) -> list[Path]:
    return sorted(Path(cluster.config.log_dir).glob("*/*/*.log"))


async def log_text(cluster: Cluster, pod: str, query: str = "", name: str = "main") -> str:
    async with engine_session(cluster) as session:
        url = cluster.agent_url(f"/containerLogs/default/{pod}/{name}?{query}")
        async with session.get(url) as answer:
            return await answer.text()


@contextlib.asynccontextmanager
async def engine_session(cluster: Cluster) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=cluster.pki.agent_client_ssl())
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session
