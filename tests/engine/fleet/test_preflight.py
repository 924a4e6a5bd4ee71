from __future__ import annotations

from dataclasses import replace

import pytest

from engine.fleet.errors import PreflightFailed
from engine.fleet.facts import Facts
from engine.fleet.preflight import GIB, MIB, RULES, Wanted, judge, require

GOOD = Facts(
    arch="arm64",
    uname_machine="aarch64",
    hostname="pi4",
    machine_id="0123456789abcdef0123456789abcdef",
    os_id="debian",
    libc=(2, 36),
    init="systemd",
    has_apt=True,
    root=True,
    memory_total=4 * GIB,
    memory_available=3 * GIB,
    data_free=20 * GIB,
    data_type="ext2/ext3",
    cgroup_version=2,
    cgroup_controllers=("cpuset", "cpu", "io", "memory", "pids"),
    features={"netns": "ok", "veth": "ok", "bridge": "ok", "nft": "ok", "bridge_netfilter": "ok", "overlay": "ok"},
    python="/usr/bin/python3",
    python_version=(3, 11, 2),
    containerd="containerd 1.6.20",
    routes=("default", "192.168.1.0/24"),
)
WANTED = Wanted(name="pi4", cluster="ours")


def test_a_fit_machine_gives_no_finding() -> None:
    assert judge(GOOD, WANTED) == []


@pytest.mark.parametrize(
    ("facts", "rule", "level", "evidence"),
    [
        pytest.param(replace(GOOD, root=False), "privilege", "fail", "not run as root", id="no-root"),
        pytest.param(replace(GOOD, arch="armv6"), "arch", "fail", "built for armv6", id="pi-zero"),
        pytest.param(replace(GOOD, arch="arm"), "arch", "fail", "built for arm", id="32-bit-userland"),
        pytest.param(replace(GOOD, arch="", uname_machine="mips"), "arch", "fail", "built for mips", id="unknown-arch"),
        pytest.param(replace(GOOD, init="init"), "init", "fail", "process 1 is init, not systemd", id="openrc"),
        pytest.param(
            replace(GOOD, has_apt=False), "packages", "fail", "runc, CNI plugins, nft missing", id="nothing-to-install-with"
        ),
        pytest.param(
            replace(GOOD, python="", python_default="Python 3.9.2"), "python", "fail", "found Python 3.9.2", id="bullseye"
        ),
        pytest.param(
            replace(GOOD, features={"python_modules": "no: No module named venv"}),
            "python-modules", "fail", "No module named venv", id="minimal-python",
        ),
        pytest.param(replace(GOOD, libc=None), "libc", "fail", "not glibc", id="musl"),
        pytest.param(replace(GOOD, memory_total=256 * MIB), "memory", "fail", "256 MiB", id="too-little-memory"),
        pytest.param(replace(GOOD, memory_total=512 * MIB), "little-memory", "warn", "512 MiB", id="zero-2-w"),
        pytest.param(replace(GOOD, data_free=GIB // 2), "disk", "fail", "512 MiB free", id="full-card"),
        pytest.param(replace(GOOD, data_free=2 * GIB), "little-disk", "warn", "2.0 GiB free", id="small-card"),
        pytest.param(replace(GOOD, data_type="tmpfs"), "data-file-system", "fail", "on tmpfs", id="live-system"),
        pytest.param(
            replace(GOOD, cgroup_controllers=("cpu", "cpuset", "pids"), cmdline="quiet cgroup_disable=memory"),
            "memory-cgroup", "fail", "cgroup_disable=memory on the kernel's command line", id="raspberry-pi-os",
        ),
        pytest.param(
            replace(GOOD, cgroup_controllers=("memory", "cpu")), "cgroups", "fail", "cpuset, pids are off", id="no-pids"
        ),
        pytest.param(
            replace(GOOD, features={"overlay": "no: mount: wrong fs type"}),
            "overlay", "fail", "overlayfs does not work: mount: wrong fs type", id="overlay-on-overlay",
        ),
        pytest.param(
            replace(GOOD, features={"nft": "no: Error: Could not process rule"}),
            "nftables", "fail", "nftables does not work: Error: Could", id="no-nat",
        ),
        pytest.param(replace(GOOD, skew=-90.0), "clock", "fail", "90 s behind", id="clock-without-battery"),
        pytest.param(replace(GOOD, skew=5.0), "small-skew", "warn", "5 s ahead", id="clock-a-little-off"),
        pytest.param(replace(GOOD, machine_id="uninitialized"), "machine-id", "warn", "uninitialized", id="image-clone"),
        pytest.param(replace(GOOD, managers=("k3s",)), "managers", "fail", "k3s runs there", id="k3s"),
        pytest.param(replace(GOOD, cluster="theirs"), "other-cluster", "fail", "another Pilothouse cluster", id="taken"),
        pytest.param(replace(GOOD, listening=(6443,)), "ports", "fail", "port 6443 is taken", id="api-server-there"),
        pytest.param(
            replace(GOOD, sshd_forwarding="no"), "forwarding", "fail", "AllowTcpForwarding no", id="no-forwarding"
        ),
        pytest.param(
            replace(GOOD, routes=("default", "10.42.7.0/24")), "networks", "fail", "a route to 10.42.7.0/24", id="clash"
        ),
        pytest.param(replace(GOOD, dpkg_locked=True), "package-lock", "warn", "lock", id="unattended-upgrades"),
        pytest.param(replace(GOOD, swap=("/dev/mmcblk0p3",)), "swap-on-card", "warn", "/dev/mmcblk0p3", id="swap-on-card"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_with_evidence_and_a_fix(facts: Facts, rule: str, level: str, evidence: str) -> None:
    found = {finding.id: finding for finding in judge(facts, WANTED)}
    assert found[rule].level == level
    assert evidence in found[rule].evidence
    assert found[rule].fix


def test_a_node_name_that_kubernetes_refuses_is_found_before_anything_is_done() -> None:
    assert [finding.id for finding in judge(GOOD, Wanted(name="My_Pi", cluster="ours"))] == ["node-name"]


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(replace(GOOD, listening=(6443, 10250)), id="ports"),
        pytest.param(replace(GOOD, routes=("10.42.0.0/24",)), id="routes"),
    ],
)
def test_what_we_brought_ourselves_does_not_stand_in_the_way(facts: Facts) -> None:
    assert judge(replace(facts, cluster="ours"), WANTED) == []


def test_missing_packages_are_no_failure_where_they_can_be_installed() -> None:
    assert judge(replace(GOOD, containerd="", cni="", nft_version=""), WANTED) == []


def test_failures_come_first_and_only_they_stop_a_join() -> None:
    findings = judge(replace(GOOD, memory_total=512 * MIB, init="init"), WANTED)
    assert [finding.level for finding in findings] == ["fail", "warn"]
    with pytest.raises(PreflightFailed, match=r"^process 1 is init, not systemd \(only machines that run systemd"):
        require(findings)
    require([finding for finding in findings if finding.level == "warn"])


def test_an_ignored_rule_only_warns() -> None:
    findings = judge(replace(GOOD, skew=90), WANTED, ignore={"clock"})
    assert [(finding.id, finding.level) for finding in findings] == [("clock", "warn")]
    require(findings)


def test_each_rule_has_a_name_of_its_own() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
