"""DNS, the way to the API server, and going away again, over real network namespaces."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dnslib import DNSRecord

from nodeagent.network import cache, cniconf
from nodeagent.network.state import Snapshot
from tests.nodeagent.network.netns import ROOT, Machine, Namespace, Pod, TestNet, network
from tests.nodeagent.network.objects import endpoint, endpoints, node, service

pytestmark = pytest.mark.lab

UDP = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
s.connect((sys.argv[1], 53)); s.send(bytes.fromhex(sys.argv[2])); print(s.recv(4096).hex())
"""
TCP = """
import socket, sys
q = bytes.fromhex(sys.argv[2])
with socket.create_connection((sys.argv[1], 53), timeout=2) as c:
    c.sendall(len(q).to_bytes(2, "big") + q); f = c.makefile("rb")
    print(f.read(int.from_bytes(f.read(2), "big")).hex())
"""
HALF_CLOSED = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3) as c:
    c.sendall(b"x" * 100000); c.shutdown(socket.SHUT_WR)
    print(len(c.makefile("rb").read()))
"""
API_SERVER = """
import socket
s = socket.create_server(("127.0.0.1", 6443)); print("ready", flush=True)
while True:
    c, _ = s.accept()
    with c: c.sendall(c.makefile("rb").read())
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNet]:
    with network(tmp_path_factory.mktemp("dns")) as made:
        yield made


@pytest.fixture(scope="module")
def machine(net: TestNet) -> Machine:
    made = Machine(net, 1)
    snapshot = Snapshot(
        services=(service("web"), service("db", ip="None")),
        slices=(endpoints(endpoint("10.42.1.7", hostname="db-0"), of="db"),),
        nodes=(node("m1", "10.42.1.0/24", made.address), node("m2", "10.42.2.0/24", "10.98.0.2")),
    )
    assert made.tell(snapshot) == "settled"
    return made


@pytest.fixture(scope="module")
def pod(machine: Machine) -> Pod:
    return machine.pod("p")


@pytest.mark.parametrize("code", [UDP, TCP], ids=["udp", "tcp"])
@pytest.mark.parametrize("server", ["10.43.0.10", "10.42.1.1"], ids=["service address", "gateway"])
def test_a_pod_resolves_names(pod: Pod, code: str, server: str) -> None:
    for name, expected in (
        ("web.default.svc.cluster.local", "10.43.0.50"),
        ("db-0.db.default.svc.cluster.local", "10.42.1.7"),
    ):
        raw = pod.python(code, server, bytes(DNSRecord.question(name).pack()).hex())
        assert [str(r.rdata) for r in DNSRecord.parse(bytes.fromhex(raw)).rr] == [expected]


def test_the_machine_itself_resolves_through_the_service_address(machine: Machine) -> None:
    raw = machine.python(UDP, "10.43.0.10", bytes(DNSRecord.question("web.default.svc.cluster.local").pack()).hex())
    assert len(DNSRecord.parse(bytes.fromhex(raw)).rr) == 1


def test_a_pod_reaches_the_api_server_through_its_machine(pod: Pod, machine: Machine) -> None:
    server = machine.start(sys.executable, "-I", "-S", "-c", API_SERVER)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    assert pod.python(HALF_CLOSED, "10.43.0.1", "443").strip() == "100000"
    machine.net.stop(server)
    assert pod.connect("10.43.0.1", 443) in (["ConnectionResetError"], [""])


def test_after_a_restart_with_the_api_away_names_and_services_work_from_disk(
    machine: Machine, pod: Pod, net: TestNet
) -> None:
    assert machine.agent is not None
    net.stop(machine.agent)
    machine.run("nft", "delete", "table", "ip", "pilothouse")
    known = Snapshot(
        services=(service("kept", ip="10.43.0.77"),),
        slices=(endpoints(endpoint(pod.address), of="kept"),),
        nodes=(node("m1", "10.42.1.0/24", machine.address),),
    )
    cache.save(cache.path_in(machine.state_dir), known)
    agent = machine.start(
        sys.executable, "-m", "tests.nodeagent.network.agent_under_test", "m1", machine.told, cwd=ROOT
    )
    asked = bytes(DNSRecord.question("kept.default.svc.cluster.local").pack()).hex()
    deadline = time.monotonic() + 15
    while machine.connect("10.43.0.77", 80, timeout=0.3) != ["p 10.42.1.1"]:
        assert time.monotonic() < deadline, net.errors_of(agent)
    raw = pod.python(UDP, "10.43.0.10", asked)
    assert [str(r.rdata) for r in DNSRecord.parse(bytes.fromhex(raw)).rr] == ["10.43.0.77"]
    net.stop(agent)


def test_the_cni_plugins_take_our_configuration_and_bridge(machine: Machine, net: TestNet, tmp_path: Path) -> None:
    inside = Namespace(net, "cni")
    listed = cniconf.conflist("10.42.1.0/24")
    listed["plugins"][0]["ipam"]["dataDir"] = str(tmp_path)
    listed["plugins"][0]["ipam"]["ranges"][0][0]["rangeStart"] = "10.42.1.100"
    mac = json.loads(machine.ip("-json", "link", "show", "ph0"))[0]["address"]
    environment = {"CNI_CONTAINERID": "c1", "CNI_NETNS": f"/run/netns/{inside.name}", "CNI_IFNAME": "eth0"}
    environment |= {"CNI_PATH": "/usr/lib/cni", "PATH": os.environ["PATH"]}

    def call(command: str, result: object = None) -> dict[str, Any]:
        answer: Any = result
        for plugin in listed["plugins"][:: 1 if command == "ADD" else -1]:
            told = plugin | {"cniVersion": "0.4.0", "name": "pilothouse", "prevResult": answer}
            if plugin["type"] == "portmap":
                told["runtimeConfig"] = {"portMappings": [{"hostPort": 8888, "containerPort": 8080, "protocol": "tcp"}]}
            done = subprocess.run(
                ["ip", "netns", "exec", machine.name, f"/usr/lib/cni/{plugin['type']}"],
                input=json.dumps({k: v for k, v in told.items() if v is not None}),
                env=environment | {"CNI_COMMAND": command},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            answer = json.loads(done.stdout) if done.stdout.strip() else answer
        return answer

    result = call("ADD")
    address = result["ips"][0]["address"].split("/")[0]
    inside.ip("link", "set", "lo", "up")
    inside.echo("cni", address, 8080)
    assert machine.connect(address, 8080) == ["cni 10.42.1.1"]
    lan = net.client("10.98.0.98")
    assert lan.connect(machine.address, 8888)[0].startswith("cni ")
    assert json.loads(machine.ip("-json", "link", "show", "ph0"))[0]["address"] == mac
    call("DEL", result)


def test_a_strict_firewall_is_opened_and_left_as_it_was(machine: Machine, net: TestNet) -> None:
    strict = "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"
    machine.run("nft", strict)
    assert machine.agent is not None
    net.stop(machine.agent)
    machine.boot()
    snapshot = Snapshot(nodes=(node("m1", "10.42.1.0/24", machine.address),))
    assert machine.tell(snapshot) == "settled"
    assert machine.run("nft", "list", "chain", "ip", "filter", "FORWARD").count('comment "pilothouse"') == 2


def test_teardown_leaves_nothing(machine: Machine, net: TestNet, tmp_path: Path) -> None:
    assert machine.agent is not None
    net.stop(machine.agent)
    conf_dir = machine.state_dir / "cni"
    assert list(conf_dir.iterdir())
    (machine.state_dir / "network.json").write_text("{}")
    told = ["--cni-conf-dir", str(conf_dir), "--state-dir", str(machine.state_dir)]
    for _ in range(2):
        inside = ["ip", "netns", "exec", machine.name, sys.executable, "-m", "nodeagent.network.teardown", *told]
        done = subprocess.run(inside, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert machine.run("nft", "list", "ruleset").count("pilothouse") == 0
    assert "proto 80" not in machine.ip("route")
    assert "ph0" not in machine.ip("link")
    assert list(conf_dir.iterdir()) == []
    assert not (machine.state_dir / "network.json").exists()
