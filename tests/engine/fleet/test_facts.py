from __future__ import annotations

import subprocess
from importlib.resources import files

import pytest

from engine.fleet.errors import FleetError
from engine.fleet.facts import parse

PROBED = """\
Welcome to my machine!
clock=1
--- facts
clock=1700000010.500000000
uid=0
hostname=pi4
uname_machine=aarch64
elf=7f454c460201010000000000000000000300b70001000000
libc=glibc 2.36
init=systemd
memory_total_kb=1024
cgroup_controllers=cpu memory pids
overlay=no: mount failed = bad
python_version=3.11.2
listening= 6443 10250
sys_resource=1
routes=default 10.0.0.0/24
--- end
and a noisy logout
"""


def test_facts_are_read_from_between_the_marks_whatever_stands_around_them() -> None:
    facts = parse(PROBED, asked_at=1700000000.0)
    assert facts.arch == "arm64"
    assert facts.hostname == "pi4"
    assert facts.skew == pytest.approx(10.5)
    assert facts.memory_total == 1024 * 1024
    assert facts.libc == (2, 36)
    assert facts.cgroup_controllers == ("cpu", "memory", "pids")
    assert facts.features == {"overlay": "no: mount failed = bad"}
    assert facts.python_tag == "311"
    assert facts.listening == (6443, 10250)
    assert facts.sys_resource
    assert facts.root


@pytest.mark.parametrize(
    ("elf", "machine", "arch"),
    [
        pytest.param("7f454c4602010100000000000000000003003e00", "x86_64", "amd64", id="amd64"),
        pytest.param("7f454c4602010100000000000000000002003e00", "x86_64", "amd64", id="not-position-independent"),
        pytest.param("7f454c4601010100000000000000000003002800", "armv7l", "arm", id="armv7"),
        pytest.param("7f454c4601010100000000000000000003002800", "armv6l", "armv6", id="armv6"),
        pytest.param("7f454c4601010100000000000000000003002800", "aarch64", "arm", id="64-bit-kernel-32-bit-userland"),
        pytest.param("", "x86_64", "", id="unreadable"),
    ],
)
def test_the_userland_decides_the_architecture(elf: str, machine: str, arch: str) -> None:
    assert parse(f"--- facts\nelf={elf}\nuname_machine={machine}\n--- end", asked_at=0).arch == arch


@pytest.mark.parametrize("clock", ["1700000003.%N", "1700000003"])
def test_a_clock_without_fractions_will_do(clock: str) -> None:
    assert parse(f"--- facts\nclock={clock}\n--- end", asked_at=1700000000.0).skew == 3.0


@pytest.mark.parametrize("text", ["", "sh: not found", "--- facts\nuid=0\n"])
def test_an_answer_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(FleetError, match="did not run the probe"):
        parse(text, asked_at=0)


@pytest.mark.lab
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_probe_tells_the_truth_about_this_computer_and_leaves_nothing(shell: str) -> None:
    script = files("engine.fleet").joinpath("probe.sh").read_text()
    ran = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True)
    facts = parse(ran.stdout, asked_at=0)
    assert facts.root
    assert facts.kernel == subprocess.run(["uname", "-r"], capture_output=True, text=True, check=True).stdout.strip()
    assert facts.python_version >= (3, 11)
    assert facts.features["veth"] == facts.features["nft"] == facts.features["overlay"] == "ok"
    assert "containerd" in facts.containerd
    left = subprocess.run(
        ["find", "/var/lib", "-maxdepth", "2", "-name", ".pilothouse-probe*"], check=True, capture_output=True
    )
    assert left.stdout == b""
