"""Links to machines of a lab, from a real engine's API."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from apimachinery.aio.tasks import TaskScope, cancel_and_wait
from apimachinery.client.client import Client
from apimachinery.objects.errors import ServiceUnavailable
from apimachinery.objects.resources import NODES
from engine.fleet.links import Links
from engine.fleet.nodes import annotations_for
from engine.fleet.ssh.connect import Login, connected
from engine.fleet.ssh.connection import Hop
from engine.fleet.ssh.hostkeys import generate_key
from engine.fleet.steps.link import GUARD, GUARD_SCRIPT, NOTES, authorized_line, hop_lines, withdraw_from_hops
from engine.fleet.target import Target
from engine.pki import Pki
from lab.machines import Lab, Machine
from tests.engine.conftest import RunningEngine

pytestmark = [pytest.mark.lab, pytest.mark.slow]

# Stands in for the agent: answers with its own name on the agent's port.
AGENT = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"agent")
http.server.ThreadingHTTPServer(("127.0.0.1", 10250), Answer).serve_forever()
"""
ASK_API = (
    "import ssl, urllib.request; c = ssl._create_unverified_context();"
    "print(urllib.request.urlopen('https://127.0.0.1:6443/healthz', context=c, timeout=5).read().decode())"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab.open(tmp_path_factory.mktemp("data"), "links")
    try:
        lab.up(2)
        yield lab
    finally:
        lab.down()


@pytest.fixture
def machine(lab: Lab, engine: RunningEngine) -> Machine:
    """A machine that lets this engine's key in, and nothing of a join besides."""
    line = authorized_line(generate_key(engine.pki / "ssh" / "id_ed25519", "pilothouse-link"))
    say(lab, f"mkdir -p /opt/pilothouse {NOTES} && cat > {GUARD} && chmod 755 {GUARD}", stdin=GUARD_SCRIPT)
    say(lab, "grep -v pilothouse-link /root/.ssh/authorized_keys > /tmp/keys; cat >> /tmp/keys;"
             "cat /tmp/keys > /root/.ssh/authorized_keys", stdin=line + "\n")  # fmt: skip
    say(lab, f"systemctl is-active agent || systemd-run --quiet --unit agent python3 -c '{AGENT}'")
    return lab.machine("m1")


def say(lab: Lab, command: str, *, stdin: str = "", check: bool = True) -> str:
    done = lab.run("m1", ["sh", "-c", command], stdin=stdin.encode())
    assert not check or done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.fixture
async def links(engine: RunningEngine) -> AsyncIterator[Links]:
    links = make_links(engine)
    async with TaskScope("test") as scope:
        scope.spawn("links", links.run())
        yield links


def make_links(engine: RunningEngine) -> Links:
    ssl = Pki.ensure(engine.data_dir).agent_client_ssl()
    return Links(engine.api.client("links"), engine.data_dir, engine.port, ssl)


async def register(client: Client, machine: Machine) -> None:
    hop = Hop(host=machine.address, port=22, user="root", host_key=machine.host_key)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "m1", "annotations": annotations_for((hop,))}}
    await client.create(NODES, node)


async def until(condition: Callable[[], bool], seconds: float) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)
    return time.monotonic() - began


def up(links: Links) -> bool:
    return "m1" in links.health() and links.health()["m1"].state == "up"


async def test_a_link_carries_the_agent_to_the_api_and_the_engine_to_the_agent(
    lab: Lab, machine: Machine, engine: RunningEngine, links: Links
) -> None:
    with pytest.raises(ServiceUnavailable, match='node "m1" is not connected'):
        await links.endpoint("m1")
    await register(engine.client, machine)
    await until(lambda: up(links), 10)
    assert await asyncio.to_thread(say, lab, f'python3 -c "{ASK_API}"') == "ok"
    port = int((await links.endpoint("m1")).base_url.rpartition(":")[2])
    assert await http_get(port) == b"agent"

    await engine.client.delete(NODES, "m1")
    await until(lambda: links.health() == {}, 5)
    await until(lambda: "6443" not in say(lab, "ss -Hltn"), 5)


async def test_a_cut_is_noticed_within_twenty_seconds_and_healed_by_itself(
    lab: Lab, machine: Machine, engine: RunningEngine, links: Links
) -> None:
    await register(engine.client, machine)
    await until(lambda: up(links), 10)
    lab.cut("m1")
    try:
        assert await until(lambda: not up(links), 25) <= 20.5
        with pytest.raises(ServiceUnavailable, match='node "m1" is not connected: .*'):
            await links.endpoint("m1", patience=0.1)
    finally:
        lab.heal("m1")
    await until(lambda: up(links), 20)
    # The machine's sshd may still hold the port for the session that died: the guard has ended it.
    assert await asyncio.to_thread(say, lab, f'python3 -c "{ASK_API}"') == "ok"


async def test_an_engine_that_comes_back_takes_the_port_from_its_own_dead_session(
    lab: Lab, machine: Machine, engine: RunningEngine
) -> None:
    await register(engine.client, machine)
    first, second = make_links(engine), make_links(engine)
    async with TaskScope("test") as scope:
        lost = scope.spawn("first", first.run())
        await until(lambda: up(first), 10)
        session = say(lab, "cat /var/lib/pilothouse/link/session")
        scope.spawn("second", second.run())
        await until(lambda: up(second), 10)
        await cancel_and_wait(lost)
        assert say(lab, "cat /var/lib/pilothouse/link/session") != session
        assert await asyncio.to_thread(say, lab, f'python3 -c "{ASK_API}"') == "ok"


async def test_a_link_goes_through_other_machines_and_may_do_nothing_else_there(
    lab: Lab, machine: Machine, engine: RunningEngine, links: Links
) -> None:
    gate = lab.machine("m2")
    login = Login(key_files=(str(lab.ssh_key_path),))
    pins = {f"{each.address}:22": each.host_key for each in (machine, gate)}
    there, before = (Target(host=each.address, user="root") for each in (machine, gate))
    async with connected(there, login, jump=[before], pins=pins) as connection:
        key = generate_key(engine.pki / "ssh" / "id_ed25519", "pilothouse-link")
        ((hop, line),) = hop_lines(connection, key)
        before_us = await hop.run(["cat", "/root/.ssh/authorized_keys"])
        await hop.run(["sh", "-c", 'echo "$1" >> /root/.ssh/authorized_keys', "sh", line])
        metadata = {"name": "m1", "annotations": annotations_for(connection.hops)}
        await engine.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        await until(lambda: up(links), 10)
        assert await asyncio.to_thread(say, lab, f'python3 -c "{ASK_API}"') == "ok"
        # The gate, not this computer, is who the machine sees.
        guests = await asyncio.to_thread(say, lab, "ss -Htn state established sport = :22")
        assert {line.split()[3].rpartition(":")[0] for line in guests.splitlines()} == {gate.address}
        await withdraw_from_hops(connection, key)
        assert (await hop.run(["cat", "/root/.ssh/authorized_keys"])).stdout == before_us.stdout


async def test_a_machine_that_shows_another_host_key_is_not_talked_to(
    lab: Lab, machine: Machine, engine: RunningEngine, links: Links
) -> None:
    stranger = generate_key(Path(lab.state_dir) / "stranger", "x")
    hop = Hop(host=machine.address, port=22, user="root", host_key=stranger)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "m1", "annotations": annotations_for((hop,))}}
    await engine.client.create(NODES, node)
    await until(lambda: "m1" in links.health() and links.health()["m1"].state == "down", 10)
    assert "is known for it" in links.health()["m1"].error


async def test_the_links_key_opens_nothing_but_the_link(
    machine: Machine, engine: RunningEngine, tmp_path: Path
) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"{machine.address} {machine.host_key}\n")
    key = engine.pki / "ssh" / "id_ed25519"
    there = f"root@{machine.address}"
    command = ["ssh", "-F", "none", "-i", str(key), "-o", f"UserKnownHostsFile={known_hosts}"]
    asked = await asyncio.to_thread(
        subprocess.run, [*command, there, "id"], input=b"", capture_output=True, timeout=20, check=False
    )
    assert asked.stdout == b"ready\n"
    through = [*command, "-W", "127.0.0.1:22", there]
    elsewhere = await asyncio.to_thread(
        subprocess.run, through, input=b"", capture_output=True, timeout=20, check=False
    )
    assert b"administratively prohibited" in elsewhere.stderr


async def http_get(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer.rpartition(b"\r\n\r\n")[2]
