"""Becoming root on a machine whose user is not root, by the real sudo."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from engine.fleet.errors import PrivilegeRefused
from engine.fleet.ssh.connect import Login, connected
from engine.fleet.target import Target
from lab.machines import Lab, Machine

pytestmark = pytest.mark.lab

PASSWORD = 'it\'s a "secret" $HOME'


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    lab = Lab.open(tmp_path_factory.mktemp("data"), "sudo")
    try:
        lab.up(1)
        public = lab.ssh_key_path.with_suffix(".pub").read_text()
        for user, rule in (("asks", "ALL"), ("free", "NOPASSWD: ALL"), ("nobody2", None)):
            run(lab, f"useradd -m -s /bin/bash {user} && chpasswd", f"{user}:{PASSWORD}\n")
            run(lab, f"mkdir -m 700 ~{user}/.ssh && cat > ~{user}/.ssh/authorized_keys", public)
            run(lab, f"chown -R {user}: ~{user}/.ssh")
            if rule:
                run(lab, f"cat > /etc/sudoers.d/{user}; chmod 440 /etc/sudoers.d/{user}", f"{user} ALL=(ALL) {rule}\n")
        yield lab.machine("m1")
    finally:
        lab.down()


def run(lab: Lab, command: str, stdin: str = "") -> None:
    done: subprocess.CompletedProcess[bytes] = lab.run("m1", ["bash", "-c", command], stdin=stdin.encode())
    assert done.returncode == 0, done.stderr.decode()


def entry(machine: Machine, user: str) -> tuple[Target, Login, dict[str, str]]:
    target = Target(host=machine.address, user=user)
    return target, Login(key_files=(str(machine.ssh_key_path),)), {target.address: machine.host_key}


async def test_root_and_sudo_without_a_password_are_found_by_themselves(machine: Machine) -> None:
    for user, how in (("root", "root"), ("free", "sudo")):
        target, login, pins = entry(machine, user)
        async with connected(target, login, pins=pins) as connection:
            assert await connection.elevate() == how
            assert (await connection.run(["id", "-u"], root=True)).text == "0"
            assert (await connection.run(["cat"], stdin=b"in", root=True)).stdout == b"in"


async def test_the_password_goes_to_sudo_and_the_input_to_the_command(machine: Machine) -> None:
    target, login, pins = entry(machine, "asks")
    async with connected(target, login, pins=pins) as connection:
        assert await connection.elevate(PASSWORD) == "sudo with password"
        blob = bytes(range(256)) * 4000
        for _ in range(2):  # the second time sudo may have a ticket and not ask
            done = await connection.run(["sh", "-c", "id -u >&2; cat"], stdin=blob, root=True)
            assert done.stdout == blob
            assert done.stderr == b"0\n"
        processes = (await connection.run(["ps", "axww"])).text
        assert "secret" not in processes
        assert (await connection.run(["false"], root=True, check=False)).status == 1


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        pytest.param("asks", None, "is not root and sudo asks for a password: give it with --sudo-password", id="none"),
        pytest.param("asks", "wrong", "sudo refuses user asks: Sorry, try again", id="wrong"),
        pytest.param("nobody2", PASSWORD, "nobody2 is not in the sudoers file", id="not-allowed"),
    ],
)
async def test_who_cannot_become_root_is_told_why(
    machine: Machine, user: str, password: str | None, reason: str
) -> None:
    target, login, pins = entry(machine, user)
    async with connected(target, login, pins=pins) as connection:
        with pytest.raises(PrivilegeRefused, match=reason):
            await connection.elevate(password)
