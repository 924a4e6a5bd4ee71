"""Machines on the computer that the tests run on."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.machines import Lab, Machine
from lab.names import lab_names
from tests.lab.leftovers import assert_nothing_left, leftovers

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab.open(tmp_path_factory.mktemp("data"), "machines")
    try:
        lab.up(2)
        yield lab
    finally:
        lab.down()


def say(lab: Lab, machine: str, command: str) -> str:
    done = lab.run(machine, ["sh", "-c", command])
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def ssh(machine: Machine, command: str) -> "subprocess.CompletedProcess[str]":
    known_hosts = machine.ssh_key_path.with_name(f"known_hosts.{machine.name}")
    known_hosts.write_text(f"{machine.address} {machine.host_key}\n")
    options = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known_hosts}", "-o", "ConnectTimeout=2"]
    target = f"{machine.ssh_user}@{machine.address}"
    return subprocess.run(
        ["ssh", "-F", "none", "-i", str(machine.ssh_key_path), *options, target, command],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip


def test_a_machine_is_a_debian_computer_that_has_just_been_set_up(lab: Lab) -> None:
    assert say(lab, "m1", "cat /proc/1/comm; hostname; cat /etc/hostname").split() == ["systemd", "m1", "m1"]
    assert say(lab, "m1", "systemctl is-system-running --wait") == "running"
    assert say(lab, "m1", "find /home /opt /usr/local /var/lib/pilothouse -mindepth 1") == ""
    assert say(lab, "m1", "cat /etc/machine-id") != say(lab, "m2", "cat /etc/machine-id")
    assert say(lab, "m1", "cat /proc/sys/net/ipv4/ip_forward") == "0"


def test_a_machine_sees_nothing_of_this_computers_processes_files_and_services(lab: Lab) -> None:
    assert say(lab, "m1", f"ls -d {lab.state_dir} 2>/dev/null || true") == ""
    commands = set(say(lab, "m1", "cat /proc/[0-9]*/comm").split())
    assert commands <= {"systemd", "systemd-journal", "(systemd)", "sshd", "sh", "cat", "systemd-tmpfile"}
    enabled = say(lab, "m1", "ls /etc/systemd/system/multi-user.target.wants")
    assert enabled == "ssh.service"


def test_a_machine_cannot_set_this_computers_kernel_but_its_own_network(lab: Lab) -> None:
    assert lab.run("m1", ["sh", "-c", "echo 1 >/proc/sys/kernel/panic"]).returncode != 0
    say(lab, "m1", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/ip_forward")


def test_container_storage_is_on_a_real_file_system(lab: Lab) -> None:
    kinds = say(lab, "m1", "stat -f -c %T /var/lib/pilothouse /var/lib/containerd /var/log/pods").split()
    assert "overlayfs" not in kinds


def test_ssh_logs_in_with_the_labs_key_and_the_recorded_host_key(lab: Lab) -> None:
    for machine in lab.machines():
        done = ssh(machine, "hostname")
        assert done.stdout.strip() == machine.name, done.stderr


def test_machines_reach_each_other(lab: Lab) -> None:
    other = lab.machine("m2").address
    assert say(lab, "m1", f"exec 3<>/dev/tcp/{other}/22; head -c 4 <&3".join(["bash -c '", "'"])) == "SSH-"


def test_packets_for_elsewhere_never_leave_the_lab(lab: Lab) -> None:
    bridge = lab_names(lab.state_dir).bridge
    for family in ("ipv4", "ipv6"):
        assert Path(f"/proc/sys/net/{family}/conf/{bridge}/forwarding").read_text().strip() == "0"


def test_another_process_takes_the_lab_over_from_its_folder(lab: Lab) -> None:
    script = "import sys; from lab.machines import Lab; print(*[m.state for m in Lab.open(*sys.argv[1:]).machines()])"
    data = lab.state_dir.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script, str(data), "machines"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["running", "running"]


def test_a_cut_machine_is_alone_until_it_is_healed(lab: Lab) -> None:
    machine = lab.machine("m2")
    lab.cut("m2")
    assert lab.machine("m2").state == "cut off"
    assert ssh(machine, "true").returncode != 0
    assert say(lab, "m2", "hostname") == "m2"
    lab.heal("m2")
    assert lab.machine("m2").state == "running"
    assert ssh(machine, "true").returncode == 0


def test_a_rebooted_machine_has_its_disk_and_not_its_processes(lab: Lab) -> None:
    say(lab, "m1", "echo kept >/etc/kept; echo kept >/var/lib/pilothouse/kept; echo gone >/run/gone; sync")
    before = say(lab, "m1", "cat /etc/machine-id")
    lab.run("m1", ["systemd-run", "--quiet", "sleep", "1000"])
    lab.stop("m1")
    assert lab.machine("m1").state == "off"
    with pytest.raises(LabError, match="machine m1 is off"):
        lab.run("m1", ["true"])
    assert lab.boot("m1").state == "running"
    assert ssh(lab.machine("m1"), "true").returncode == 0
    assert say(lab, "m1", "cat /etc/kept /var/lib/pilothouse/kept /etc/machine-id").split() == ["kept", "kept", before]
    assert say(lab, "m1", "ls /run/gone 2>/dev/null; grep -l sleep /proc/[0-9]*/comm || true") == ""


def test_up_again_adds_what_is_missing_and_leaves_the_rest_alone(lab: Lab) -> None:
    lab.stop("m2")
    before = say(lab, "m1", "stat -c %Y /proc/1")
    assert [machine.state for machine in lab.up(2)] == ["running", "running"]
    assert say(lab, "m1", "stat -c %Y /proc/1") == before


def test_a_machine_that_is_not_there_is_named_with_those_that_are(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"has no machine 'm9' \(it has: m1, m2\)"):
        lab.stop("m9")


def test_two_labs_of_one_name_live_side_by_side(lab: Lab, tmp_path: Path) -> None:
    other = Lab.open(tmp_path, "machines")
    try:
        (machine,) = other.up(1)
        assert machine.address != lab.machine("m1").address
        assert ssh(machine, "hostname").stdout.strip() == "m1"
    finally:
        other.down()
    assert ssh(lab.machine("m1"), "hostname").stdout.strip() == "m1"


def test_down_leaves_nothing_behind(tmp_path: Path) -> None:
    lab = Lab.open(tmp_path, "gone")
    lab.up(2)
    lab.run("m1", ["systemd-run", "--quiet", "unshare", "--net", "--mount", "sleep", "1000"])
    kinds = {thing.split()[0] for thing in leftovers(lab)}
    assert {"interface", "cgroup", "process"} <= kinds, "the test would not see what is left"
    lab.down()
    assert_nothing_left(lab)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.2, 0.4])
def test_down_cleans_up_after_an_up_that_was_killed(tmp_path: Path, seconds: float) -> None:
    lab = Lab.open(tmp_path, "killed")
    script = "import sys; from lab.machines import Lab; Lab.open(sys.argv[1], 'killed').up(3)"
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not lab.state_dir.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(seconds)
    process.kill()
    process.wait()
    lab.down()
    assert_nothing_left(lab)


def test_a_machine_that_does_not_boot_is_named_with_the_reason(tmp_path: Path) -> None:
    lab = Lab.open(tmp_path, "broken")
    try:
        lab.up(1)
        lab.stop("m1")
        (lab.state_dir / "machines/m1/real/pods").rmdir()
        with pytest.raises(LabError, match="machine m1 did not boot: FileNotFoundError: .*/var/log/pods"):
            lab.boot("m1")
        assert lab.machine("m1").state == "off"
    finally:
        lab.down()


def test_down_removes_a_lab_whose_record_is_damaged(tmp_path: Path) -> None:
    lab = Lab.open(tmp_path, "damaged")
    lab.up(1)
    (lab.state_dir / "lab.json").write_text("{")
    with pytest.raises(LabError, match="is damaged"):
        lab.machines()
    lab.down()
    assert_nothing_left(lab)
