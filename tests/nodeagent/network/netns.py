"""Machines, pods and a client out of network namespaces, none of them connected to this computer's own network."""

import contextlib
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from nodeagent.network.layout import BRIDGE
from nodeagent.network.state import Snapshot
from tests.nodeagent.network.objects import Config

ROOT = Path(__file__).parents[3]

ECHO_SERVER = """
import socket, sys, threading
name, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
tcp = socket.create_server((address, port), backlog=256)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((address, port))
def serve(c, peer):
    with c:
        c.sendall(f"{name} {peer[0]}\\n".encode())
        while data := c.recv(4096):
            c.sendall(data)
def stream():
    while True:
        threading.Thread(target=serve, args=tcp.accept(), daemon=True).start()
threading.Thread(target=stream, daemon=True).start()
print("ready", flush=True)
while True:
    data, peer = udp.recvfrom(4096)
    udp.sendto(f"{name} {peer[0]}".encode(), peer)
"""

TCP_CLIENT = """
import socket, sys
for _ in range(int(sys.argv[3])):
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[4])) as c:
            print(c.makefile().readline().strip())
    except OSError as error:
        print(type(error).__name__)
"""

UDP_CLIENT = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.bind(("", int(sys.argv[4])))
s.connect((sys.argv[1], int(sys.argv[2])))
for _ in range(int(sys.argv[3])):
    try:
        s.send(b"x")
        print(s.recv(4096).decode())
    except OSError as error:
        print(type(error).__name__)
"""


def sh(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


class Namespace:
    def __init__(self, net: "TestNet", name: str) -> None:
        self.net = net
        self.name = f"net-{net.id}-{name}"
        sh("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words: str) -> str:
        return sh("ip", "-n", self.name, *words)

    def run(self, *argv: str) -> str:
        return sh("ip", "netns", "exec", self.name, *argv)

    def python(self, code: str, *argv: str) -> str:
        return self.run(sys.executable, "-I", "-S", "-c", textwrap.dedent(code), *argv)

    def connect(self, address: str, port: int, times: int = 1, timeout: float = 2) -> list[str]:
        """Each connection's first line, `NAME PEER`, or the name of the error."""
        return self.python(TCP_CLIENT, address, str(port), str(times), str(timeout)).splitlines()

    def send(self, address: str, port: int, times: int = 1, source_port: int = 0) -> list[str]:
        return self.python(UDP_CLIENT, address, str(port), str(times), str(source_port)).splitlines()

    def start(self, *argv: str, **more: object) -> subprocess.Popen[str]:
        return self.net.start("ip", "netns", "exec", self.name, *argv, **more)

    def echo(self, name: str, address: str, port: int) -> None:
        server = self.start(sys.executable, "-I", "-S", "-c", ECHO_SERVER, name, address, str(port))
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"


class Machine(Namespace):
    """A machine whose network is run by the code under test."""

    def __init__(self, net: "TestNet", number: int, subnet: str = "10.98.0") -> None:
        super().__init__(net, f"m{number}")
        self.node_name = f"m{number}"
        self.number = number
        self.address = f"{subnet}.{number}"
        self.pods = 0
        net.plug(self, self.address)
        self.state_dir = net.tmp / self.node_name
        self.state_dir.mkdir()
        config = Config(state_dir=str(self.state_dir), cni_conf_dir=str(self.state_dir / "cni"))
        self.told = msgspec.json.encode(config).decode()
        self.agent: subprocess.Popen[str] | None = None
        self.boot()

    def boot(self) -> None:
        module = "tests.nodeagent.network.machine_under_test"
        self.agent = self.start(sys.executable, "-m", module, self.node_name, self.told, cwd=ROOT)

    def tell(self, what: Snapshot | str) -> str:
        """Hand over the cluster's state, or a word; returns what the machine says once it is done."""
        assert self.agent is not None
        stdin, stdout = self.agent.stdin, self.agent.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write((what if isinstance(what, str) else msgspec.json.encode(what).decode()) + "\n")
        stdin.flush()
        said = stdout.readline().strip()
        assert said, f"{self.name} ended: {self.net.errors_of(self.agent)}"
        return said

    def pod(self, name: str) -> "Pod":
        self.pods += 1
        return Pod(self, name, f"10.42.{self.number}.{self.pods + 1}")


class Pod(Namespace):
    """A pod as the CNI bridge plugin connects it."""

    def __init__(self, machine: Machine, name: str, address: str) -> None:
        super().__init__(machine.net, name)
        self.address = address
        port = f"v{name}"
        sh("ip", "link", "add", port, "netns", machine.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        machine.ip("link", "set", port, "master", BRIDGE, "up")
        machine.ip("link", "set", port, "type", "bridge_slave", "hairpin", "on")
        self.ip("address", "add", f"{address}/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self.ip("route", "add", "default", "via", f"10.42.{machine.number}.1")
        self.echo(name, address, 8080)


class TestNet:
    """One switch; everything made here goes with `close`."""

    __test__ = False

    def __init__(self, tmp: Path) -> None:
        self.id = uuid.uuid4().hex[:4]
        self.tmp = tmp
        self._processes: list[tuple[subprocess.Popen[str], IO[str]]] = []
        self.switch = Namespace(self, "sw")
        self.switch.ip("link", "add", "sw", "type", "bridge")
        self.switch.ip("link", "set", "sw", "up")

    def plug(self, namespace: Namespace, address: str) -> None:
        port = namespace.name.removeprefix("net-")
        ends = ("netns", self.switch.name, "type", "veth", "peer", "name", "eth0", "netns", namespace.name)
        sh("ip", "link", "add", port, *ends)
        self.switch.ip("link", "set", port, "master", "sw", "up")
        namespace.ip("address", "add", f"{address}/24", "dev", "eth0")
        namespace.ip("link", "set", "eth0", "up")

    def client(self, address: str) -> Namespace:
        namespace = Namespace(self, f"lan{address.rpartition('.')[2]}")
        self.plug(namespace, address)
        return namespace

    def start(self, *argv: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        errors = (self.tmp / f"stderr-{len(self._processes)}").open("w+")
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=errors, text=True, cwd=cwd)
        self._processes.append((process, errors))
        return process

    def errors_of(self, process: subprocess.Popen[str]) -> str:
        errors = next(e for p, e in self._processes if p is process)
        errors.seek(0)
        return errors.read()[-3000:]

    def stop(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def close(self) -> None:
        for process, errors in self._processes:
            self.stop(process)
            errors.close()
        for name in _names(sh("ip", "netns", "list")):
            if name.startswith(f"net-{self.id}-"):
                sh("ip", "netns", "delete", name)


@contextlib.contextmanager
def network(tmp: Path) -> Iterator[TestNet]:
    net = TestNet(tmp)
    try:
        yield net
    finally:
        net.close()


def _names(listed: str) -> Sequence[str]:
    return [line.split()[0] for line in listed.splitlines() if line]
