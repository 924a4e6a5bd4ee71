"""Our SSH connections against the real OpenSSH server."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.fleet.errors import (
    AuthenticationFailed,
    CommandFailed,
    HostKeyChanged,
    HostKeyUnknown,
    PortRefused,
    Unreachable,
)
from engine.fleet.ssh.connect import Login, connect, connected
from engine.fleet.ssh.hostkeys import fingerprint, generate_key
from engine.fleet.target import Target
from tests.engine.fleet.sshd import Sshd, free_port, make_key

pytestmark = pytest.mark.lab


def target(sshd: Sshd) -> Target:
    return Target(host="127.0.0.1", user="root", port=sshd.port)


def login(sshd: Sshd) -> Login:
    return Login(key_files=(sshd.client_key,))


def pins(*servers: Sshd) -> dict[str, str]:
    return {server.address: server.host_key for server in servers}


async def test_arguments_and_input_reach_the_command_unchanged(sshd: Sshd) -> None:
    async with connected(target(sshd), login(sshd), pins=pins(sshd)) as machine:
        said = await machine.run(["printf", "%s|", "a b", "$HOME", "it's", 'q"q', "*", ""])
        assert said.text == "a b|$HOME|it's|q\"q|*||"
        blob = bytes(range(256)) * 40_000  # 10 MB: more than any window holds
        assert (await machine.run(["cat"], stdin=blob)).stdout == blob


async def test_a_command_that_fails_is_named_with_its_last_words(sshd: Sshd) -> None:
    async with connected(target(sshd), login(sshd), pins=pins(sshd)) as machine:
        with pytest.raises(CommandFailed, match=r"^ls exited with 2: .*No such file or directory"):
            await machine.run(["ls", "/no/such/file"])
        assert (await machine.run(["false"], check=False)).status == 1
        with pytest.raises(CommandFailed, match=r"^sleep was cut off: no end after 0 s"):
            await machine.run(["sleep", "30"], timeout=0.2)
        assert (await machine.run(["echo", "still"])).text == "still"


async def test_an_unknown_host_key_is_refused_and_handed_over_for_confirmation(sshd: Sshd) -> None:
    with pytest.raises(HostKeyUnknown) as refusal:
        await connect(target(sshd), login(sshd))
    key = refusal.value.key
    assert (key.address, key.line) == (sshd.address, sshd.host_key)
    assert key.fingerprint == fingerprint(sshd.host_key)
    async with connected(target(sshd), login(sshd), pins={key.address: key.line}) as machine:
        assert machine.hop.host_key.split()[:2] == sshd.host_key.split()


async def test_a_changed_host_key_is_refused_even_when_known_hosts_has_it(
    sshd: Sshd, tmp_path: Path, no_user_ssh: Path
) -> None:
    make_key(tmp_path / "other")
    other = (tmp_path / "other.pub").read_text()
    (no_user_ssh / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
    with pytest.raises(
        HostKeyChanged, match=re.escape(f"{fingerprint(sshd.host_key)}, but {fingerprint(other)} is known")
    ):
        await connect(target(sshd), login(sshd), pins={sshd.address: other})


async def test_the_users_known_hosts_count_and_are_never_written(sshd: Sshd, no_user_ssh: Path, tmp_path: Path) -> None:
    known_hosts = no_user_ssh / ".ssh/known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
    async with connected(target(sshd), login(sshd)) as machine:
        assert (await machine.run(["echo", "in"])).text == "in"
    make_key(tmp_path / "other")
    known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {(tmp_path / 'other.pub').read_text()}")
    before = known_hosts.read_bytes()
    with pytest.raises(HostKeyChanged):
        await connect(target(sshd), login(sshd))
    assert known_hosts.read_bytes() == before


async def test_userknownhostsfile_none_does_not_switch_verification_off(sshd: Sshd, no_user_ssh: Path) -> None:
    (no_user_ssh / ".ssh/config").write_text("Host *\n  UserKnownHostsFile none\n  StrictHostKeyChecking no\n")
    with pytest.raises(HostKeyUnknown):
        await connect(target(sshd), login(sshd))


async def test_ssh_config_names_address_port_user_and_key(sshd: Sshd, no_user_ssh: Path) -> None:
    (no_user_ssh / ".ssh/config").write_text(
        f"Host pi\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User root\n  IdentityFile {sshd.client_key}\n"
    )
    async with connected(Target(host="pi"), Login(), pins=pins(sshd)) as machine:
        assert str(machine.hop) == f"root@{sshd.address}"


async def test_a_key_that_is_not_authorized_is_refused_in_one_line(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    with pytest.raises(AuthenticationFailed, match=r"127\.0\.0\.1:\d+ refused the login"):
        await connect(target(sshd), Login(key_files=(str(tmp_path / "stranger"),)), pins=pins(sshd))


async def test_a_missing_key_file_is_named(sshd: Sshd) -> None:
    with pytest.raises((AuthenticationFailed, Unreachable), match="No such file"):
        await connect(target(sshd), Login(key_files=("/no/key",)), pins=pins(sshd))


async def test_a_machine_that_is_not_there_is_told_apart(sshd: Sshd) -> None:
    sshd.stop()
    with pytest.raises(Unreachable, match="refused the connection: does sshd run there"):
        await connect(target(sshd), login(sshd))
    with pytest.raises(Unreachable, match="the name does not resolve"):
        await connect(Target(host="no-such-machine.invalid"), login(sshd))


async def test_every_hop_of_a_jump_is_checked_by_its_own_key(sshd: Sshd, tmp_path: Path) -> None:
    inner = Sshd(tmp_path / "inner")
    inner.folder.mkdir()
    inner.authorized_keys.write_text((sshd.folder / "client_key.pub").read_text())
    inner.start()
    try:
        jump = [target(sshd)]
        with pytest.raises(HostKeyUnknown) as first:
            await connect(target(inner), login(sshd), jump=jump)
        assert first.value.key.address == sshd.address
        with pytest.raises(HostKeyUnknown) as second:
            await connect(target(inner), login(sshd), jump=jump, pins=pins(sshd))
        assert second.value.key.address == inner.address
        async with connected(target(inner), login(sshd), jump=jump, pins=pins(sshd, inner)) as machine:
            assert [hop.address for hop in machine.hops] == [sshd.address, inner.address]
            assert (await machine.run(["echo", "there"])).text == "there"
        await until(lambda: sshd.sessions() == [])
    finally:
        inner.stop()


async def test_proxyjump_of_ssh_config_is_followed_under_the_same_rule(
    sshd: Sshd, tmp_path: Path, no_user_ssh: Path
) -> None:
    inner = Sshd(tmp_path / "inner")
    inner.folder.mkdir()
    inner.authorized_keys.write_text((sshd.folder / "client_key.pub").read_text())
    inner.start()
    try:
        (no_user_ssh / ".ssh/config").write_text(
            f"Host inner\n  HostName 127.0.0.1\n  Port {inner.port}\n  User root\n"
            f"  ProxyJump root@127.0.0.1:{sshd.port}\n"
        )
        with pytest.raises(HostKeyUnknown) as refusal:
            await connect(Target(host="inner"), login(sshd), pins=pins(inner))
        assert refusal.value.key.address == sshd.address
        async with connected(Target(host="inner"), login(sshd), pins=pins(sshd, inner)) as machine:
            assert len(machine.hops) == 2
    finally:
        inner.stop()


async def test_ports_are_carried_both_ways(sshd: Sshd) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    here = server.sockets[0].getsockname()[1]
    async with connected(target(sshd), login(sshd), pins=pins(sshd)) as machine:
        there = free_port()
        await machine.forward_from_machine(("127.0.0.1", there), ("127.0.0.1", here))
        assert await ask(there) == b"HELLO\n"
        forward = await machine.forward_to_machine(("127.0.0.1", here))
        assert await ask(forward.port) == b"HELLO\n"
        async with connected(target(sshd), login(sshd), pins=pins(sshd)) as second:
            with pytest.raises(PortRefused):
                await second.forward_from_machine(("127.0.0.1", there), ("127.0.0.1", here))
    server.close()
    await server.wait_closed()
    await until(lambda: not listens(there))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def until(condition: Callable[[], bool]) -> None:
    """sshd reaps its sessions a moment after we have gone."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.02)


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    reply = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    return reply


def test_our_own_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "ssh/id_ed25519"
    line = generate_key(path, "pilothouse")
    assert line.startswith("ssh-ed25519 ")
    assert path.stat().st_mode & 0o777 == 0o600
    assert generate_key(path, "pilothouse") == line
