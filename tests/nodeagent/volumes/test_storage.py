"""Folders with root's rights: parts of volumes, groups, removal, and which of them are the agent's to touch."""

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apimachinery.objects import localpath as agreed
from nodeagent.pods.storage import is_recursive
from nodeagent.pods.view import VolumeMount
from nodeagent.volumes import kernel, nfs, subpath, trees
from nodeagent.volumes.fields import PodFacts
from nodeagent.volumes.group import hand_to_group
from nodeagent.volumes.localpath import NotOurs, Step, folder_of, make, next_step
from nodeagent.volumes.objects import Contents
from nodeagent.volumes.persistent import PersistentVolume
from nodeagent.volumes.podvolumes import MountFailed, PodVolumes
from nodeagent.volumes.usage import used_bytes
from nodeagent.volumes.view import NfsSource, Volume

ROOT = Path("/var/lib/pilothouse/volumes")


def volume(
    path: str = f"{ROOT}/pvc-1", *, going: bool = False, phase: str = "Released", policy: str = "Delete", **meta: Any
) -> PersistentVolume:
    metadata = {
        "name": "pvc-1",
        "annotations": {agreed.PROVISIONED_BY: agreed.PROVISIONER, **meta.pop("annotations", {})},
        "finalizers": meta.pop("finalizers", [agreed.FINALIZER]),
    }
    if going:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    spec = {"local": {"path": path}, "persistentVolumeReclaimPolicy": policy}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": {"phase": phase}}, PersistentVolume)


@pytest.mark.parametrize(
    ("one", "step"),
    [
        pytest.param(volume(phase="Bound"), "make", id="new"),
        pytest.param(volume(phase="Bound", annotations={agreed.MADE: "true"}), "", id="made before"),
        pytest.param(volume(going=True), "remove", id="to be deleted"),
        pytest.param(volume(going=True, policy="Retain"), "let go", id="to be kept"),
        pytest.param(volume(going=True, phase="Bound"), "", id="deleted while in use"),
        pytest.param(volume(going=True, finalizers=["other"]), "", id="let go before"),
        pytest.param(volume(annotations={agreed.PROVISIONED_BY: "somebody.else/disk"}), "", id="not ours"),
    ],
)
def test_folder_is_made_once_and_goes_only_where_it_is_to_be_deleted(one: PersistentVolume, step: Step) -> None:
    assert next_step(one) == step


@pytest.mark.parametrize(
    "path",
    [
        "/etc",
        "/",
        "",
        str(ROOT),
        f"{ROOT}/..",
        f"{ROOT}/../../../../etc",
        f"{ROOT}/a/b",
        f"{ROOT}/a/..",
        f"{ROOT}x/a",
        "volumes/a",
    ],
)
def test_no_path_outside_of_the_root_is_touched(path: str) -> None:
    with pytest.raises(NotOurs):
        folder_of(volume(path), ROOT)
    assert folder_of(volume(), ROOT) == ROOT / "pvc-1"


def test_folder_is_open_to_containers_and_its_root_closed_to_the_machines_users(tmp_path: Path) -> None:
    make(tmp_path / "volumes" / "pvc-1")
    assert stat.S_IMODE((tmp_path / "volumes").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "volumes" / "pvc-1").stat().st_mode) == 0o777


def test_removal_takes_a_link_and_leaves_what_it_leads_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (tmp_path / "link").symlink_to(precious)
    trees.remove(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    inside = tmp_path / "volume"
    inside.mkdir()
    (inside / "link").symlink_to(precious)
    trees.remove(inside)
    assert (precious / "file").exists()
    assert not inside.exists()
    trees.remove(inside)


@pytest.mark.lab
def test_removal_never_goes_through_a_mount(tmp_path: Path) -> None:
    """A bind mount of the same file system looks like a plain folder to all but the kernel's list."""
    precious, shown = tmp_path / "precious", tmp_path / "pod" / "with space"
    precious.mkdir()
    (precious / "file").touch()
    shown.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(precious), str(shown)], check=True)
    assert kernel.is_mounted(shown)
    with pytest.raises(trees.StillMounted, match="is still mounted"):
        trees.remove_files(tmp_path / "pod")
    trees.remove(tmp_path / "pod")
    assert (precious / "file").exists()
    assert not (tmp_path / "pod").exists()


@pytest.mark.lab
def test_part_of_a_volume_is_bound_and_made_with_the_rights_of_its_top(tmp_path: Path) -> None:
    top = tmp_path / "volume"
    top.mkdir()
    os.chown(top, -1, 4242)
    top.chmod(0o2775)
    try:
        shown = subpath.provide(top, "a/b", tmp_path / "pod" / "0")
        (shown / "file").touch()
        assert (top / "a" / "b" / "file").exists()
        made = (top / "a" / "b").stat()
        assert (stat.S_IMODE(made.st_mode), made.st_gid) == (0o2775, 4242)
        assert subpath.provide(top, "a/b", tmp_path / "pod" / "0") == shown
        one_file = subpath.provide(top, "a/b/file", tmp_path / "pod" / "1")
        assert one_file.is_file()
    finally:
        trees.remove(tmp_path / "pod")
    assert (top / "a" / "b" / "file").exists()


@pytest.mark.lab
@pytest.mark.parametrize("inside", ["out", "out/passwd", "deep/out/passwd", "dangling/x"])
def test_links_do_not_lead_out_of_a_volume(tmp_path: Path, inside: str) -> None:
    top = tmp_path / "volume"
    (top / "deep").mkdir(parents=True)
    (top / "out").symlink_to("/etc")
    (top / "deep" / "out").symlink_to("/etc")
    (top / "dangling").symlink_to("/nowhere")
    with pytest.raises(subpath.Escapes):
        subpath.provide(top, inside, tmp_path / "pod" / "0")
    assert kernel.mounts_below(tmp_path) == []


@pytest.mark.lab
def test_links_inside_of_a_volume_are_followed(tmp_path: Path) -> None:
    top = tmp_path / "volume"
    (top / "..data").mkdir(parents=True)
    (top / "..data" / "key").write_text("v")
    (top / "key").symlink_to("..data/key")
    try:
        assert subpath.provide(top, "key", tmp_path / "pod" / "0").read_text() == "v"
    finally:
        trees.remove(tmp_path / "pod")


@pytest.mark.lab
def test_volume_belongs_to_the_pods_group(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").touch(mode=0o600)
    (tmp_path / "link").symlink_to("/etc/passwd")
    before = Path("/etc/passwd").stat()
    hand_to_group(tmp_path, 4242, policy="Always", read_only=False)
    found = (tmp_path / "sub" / "file").stat()
    assert (found.st_gid, stat.S_IMODE(found.st_mode) & 0o070) == (4242, 0o060)
    assert stat.S_IMODE((tmp_path / "sub").stat().st_mode) & 0o2070 == 0o2070
    after = Path("/etc/passwd").stat()
    assert (after.st_gid, after.st_mode) == (before.st_gid, before.st_mode)


@pytest.mark.lab
def test_on_root_mismatch_leaves_the_files_alone_where_the_top_is_right(tmp_path: Path) -> None:
    hand_to_group(tmp_path, 4242, policy="OnRootMismatch", read_only=False)
    (tmp_path / "late").touch()
    os.chown(tmp_path / "late", -1, 0)
    hand_to_group(tmp_path, 4242, policy="OnRootMismatch", read_only=False)
    assert (tmp_path / "late").stat().st_gid == 0
    hand_to_group(tmp_path, 4242, policy="Always", read_only=False)
    assert (tmp_path / "late").stat().st_gid == 4242


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        pytest.param(
            NfsSource(server="nas", path="/export"), (), ["mount", "-t", "nfs", "nas:/export", "/to"], id="plain"
        ),
        pytest.param(
            NfsSource(server="nas", path="/export", read_only=True),
            ("nfsvers=4.1",),
            ["mount", "-t", "nfs", "-o", "nfsvers=4.1,ro", "nas:/export", "/to"],
            id="options and read-only",
        ),
        pytest.param(
            NfsSource(server="fd00::1", path="/e"), (), ["mount", "-t", "nfs", "[fd00::1]:/e", "/to"], id="IPv6"
        ),
    ],
)
def test_nfs_is_mounted_by_the_machines_own_program(
    source: NfsSource, options: tuple[str, ...], words: list[str]
) -> None:
    assert nfs.command(source, Path("/to"), options) == words


def test_usage_counts_blocks_and_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    empty = used_bytes(tmp_path)
    (tmp_path / "sub" / "file").write_bytes(b"x" * 1_000_000)
    os.link(tmp_path / "sub" / "file", tmp_path / "again")
    (tmp_path / "link").symlink_to("/usr")
    assert 1_000_000 <= used_bytes(tmp_path) - empty < 1_100_000
    assert used_bytes(tmp_path / "missing") == 0


def test_empty_dir_that_holds_too_much_is_named(tmp_path: Path) -> None:
    bounded = msgspec.convert({"name": "cache", "emptyDir": {"sizeLimit": "100Ki"}}, Volume)
    free = msgspec.convert({"name": "free", "emptyDir": {}}, Volume)
    volumes = PodVolumes(tmp_path)
    paths = volumes.set_up([bounded, free], PodFacts(name="p", namespace="n", uid="u"), Contents({}), "t")
    (paths["free"] / "big").write_bytes(b"x" * 500_000)
    assert volumes.overfull([bounded, free]) == ""
    (paths["cache"] / "big").write_bytes(b"x" * 200_000)
    assert volumes.overfull([bounded, free]) == 'Usage of EmptyDir volume "cache" exceeds the limit "100Ki". '


@pytest.mark.lab
def test_memory_volume_holds_no_more_than_the_pods_memory(tmp_path: Path) -> None:
    volumes = PodVolumes(tmp_path, memory_limit=2 * 1024**2)
    asked = [
        msgspec.convert({"name": "plain", "emptyDir": {"medium": "Memory"}}, Volume),
        msgspec.convert({"name": "small", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, Volume),
    ]
    paths = volumes.set_up(asked, PodFacts(name="p", namespace="n", uid="u"), Contents({}), "t")
    sizes = {name: os.statvfs(path).f_blocks * os.statvfs(path).f_frsize for name, path in paths.items()}
    volumes.tear_down()
    assert sizes == {"plain": 2 * 1024**2, "small": 1024**2}


@pytest.mark.parametrize(
    ("mount", "supported", "recursive"),
    [
        pytest.param({}, True, False, id="not asked"),
        pytest.param({"recursiveReadOnly": "Disabled", "readOnly": True}, True, False, id="disabled"),
        pytest.param({"recursiveReadOnly": "Enabled", "readOnly": True}, True, True, id="enabled"),
        pytest.param({"recursiveReadOnly": "IfPossible", "readOnly": True}, True, True, id="possible"),
        pytest.param({"recursiveReadOnly": "IfPossible", "readOnly": True}, False, False, id="not possible"),
    ],
)
def test_mounts_are_read_only_through_and_through_where_asked(
    mount: dict[str, Any], supported: bool, recursive: bool
) -> None:
    assert is_recursive(msgspec.convert({"name": "v", **mount}, VolumeMount), supported=supported) is recursive


def test_recursive_read_only_mount_that_cannot_be_is_refused() -> None:
    mount = VolumeMount(name="v", read_only=True, recursive_read_only="Enabled")
    text = 'volume "v" requested recursive read-only mode, but it is not supported by the runtime'
    with pytest.raises(MountFailed, match=text):
        is_recursive(mount, supported=False)
