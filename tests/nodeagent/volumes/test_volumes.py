"""Files of volumes: what they hold, how they change, what is refused."""

import dataclasses
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodeagent.volumes import atomic
from nodeagent.volumes.fields import PodFacts
from nodeagent.volumes.objects import Contents, MissingReference
from nodeagent.volumes.payload import File, payload, references
from nodeagent.volumes.podvolumes import MountFailed, PodVolumes, host_path
from nodeagent.volumes.view import HostPathSource, Volume

POD = PodFacts(name="web", namespace="d", uid="u", labels={"b": "2", "a": 'say "hi"'})
FOUND = Contents(
    {("configmap", "cm"): {"a": b"1", "b": b"2"}, ("secret", "s"): {"k": b"v"}, ("token", "3600 a"): {"token": b"jwt"}}
)


def volume(**source: Any) -> Volume:
    return msgspec.convert({"name": "v", **source}, Volume)


@pytest.mark.parametrize(
    ("source", "files"),
    [
        pytest.param({"configMap": {"name": "cm"}}, {"a": (b"1", 0o644), "b": (b"2", 0o644)}, id="all keys"),
        pytest.param(
            {"configMap": {"name": "cm", "defaultMode": 0o400, "items": [{"key": "a", "path": "x/y"}]}},
            {"x/y": (b"1", 0o400)},
            id="chosen keys",
        ),
        pytest.param(
            {"secret": {"secretName": "s", "items": [{"key": "k", "path": "k", "mode": 0o600}]}},
            {"k": (b"v", 0o600)},
            id="a mode of its own",
        ),
        pytest.param({"configMap": {"name": "none", "optional": True}}, {}, id="optional and absent"),
        pytest.param(
            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"l": (b'a="say \\"hi\\""\nb="2"', 0o644)},
            id="labels, sorted and quoted",
        ),
        pytest.param(
            {"projected": {"sources": [{"configMap": {"name": "cm"}}, {"secret": {"name": "s"}}]}},
            {"a": (b"1", 0o644), "b": (b"2", 0o644), "k": (b"v", 0o644)},
            id="projected",
        ),
        pytest.param(
            {"projected": {"defaultMode": 0o444, "sources": [{"serviceAccountToken": {"path": "t", "audience": "a"}}]}},
            {"t": (b"jwt", 0o444)},
            id="token",
        ),
    ],
)
def test_payload(source: dict[str, Any], files: dict[str, tuple[bytes, int]]) -> None:
    assert payload(volume(**source), POD, FOUND) == {path: File(*file) for path, file in files.items()}


def test_a_pods_own_group_alone_may_read_its_token() -> None:
    source = {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "a"}}]}}
    grouped = dataclasses.replace(POD, fs_group=1234)
    assert payload(volume(**source), grouped, FOUND) == {"t": File(b"jwt", 0o600)}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param({"configMap": {"name": "none"}}, 'configmap "none" not found', id="no map"),
        pytest.param({"secret": {"secretName": "none"}}, 'secret "none" not found', id="no secret"),
        pytest.param(
            {"configMap": {"name": "cm", "items": [{"key": "z", "path": "z"}]}},
            "configmap references non-existent config key: z",
            id="no key",
        ),
        pytest.param(
            {"configMap": {"name": "cm", "items": [{"key": "a", "path": "../a"}]}}, "must be relative", id="way out"
        ),
    ],
)
def test_what_cannot_be_shown_is_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(MissingReference, match=message):
        payload(volume(**source), POD, FOUND)


def test_references_are_found_in_every_kind_of_volume() -> None:
    listed = [
        volume(configMap={"name": "a"}),
        volume(secret={"secretName": "b"}),
        volume(projected={"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "d"}}]}),
        volume(emptyDir={}),
    ]
    assert references(listed) == {("configmap", "a"), ("secret", "b"), ("configmap", "c"), ("secret", "d")}


def test_a_change_swaps_one_link_and_readers_of_the_old_files_keep_them(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o600)}, "t1")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "d" / "b").read_bytes() == b"2"
    first = (tmp_path / "..data").readlink()
    with (tmp_path / "a").open("rb") as reader:
        assert atomic.write(tmp_path, {"a": File(b"new", 0o644)}, "t2")
        assert reader.read() == b"1"
    assert (tmp_path / "..data").readlink() != first
    assert (tmp_path / "a").read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("..")) == ["a"]
    assert not (tmp_path / first).exists()


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    files = {"a": File(b"1", 0o644)}
    assert atomic.write(tmp_path, files, "t1")
    before = (tmp_path / "..data").readlink()
    assert not atomic.write(tmp_path, files, "t2")
    assert (tmp_path / "..data").readlink() == before


def test_files_have_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": File(b"1", 0o400)}, "t")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o400


@pytest.mark.parametrize(
    ("kind", "make", "message"),
    [
        pytest.param("Directory", None, "is not a directory", id="directory missing"),
        pytest.param("File", "dir", "is not a file", id="a directory is no file"),
        pytest.param("Directory", "file", "is not a directory", id="a file is no directory"),
        pytest.param("Socket", "file", "is not a socket file", id="no socket"),
        pytest.param("CharDevice", "file", "is not a character device", id="no device"),
        pytest.param("Nonsense", "file", "unknown type", id="unknown type"),
    ],
)
def test_host_paths_are_checked(tmp_path: Path, kind: str, make: str | None, message: str) -> None:
    path = tmp_path / "x"
    if make == "dir":
        path.mkdir()
    elif make == "file":
        path.touch()
    with pytest.raises(MountFailed, match=message):
        host_path(HostPathSource(path=str(path), type=kind))


def test_host_paths_are_made_where_that_was_asked_for(tmp_path: Path) -> None:
    assert host_path(HostPathSource(path=str(tmp_path / "d"), type="DirectoryOrCreate")).is_dir()
    assert host_path(HostPathSource(path=str(tmp_path / "f"), type="FileOrCreate")).is_file()


def test_an_empty_dir_keeps_its_files_when_set_up_again_and_goes_at_the_end(tmp_path: Path) -> None:
    volumes = PodVolumes(tmp_path)
    empty = [volume(emptyDir={})]
    folder = volumes.set_up(empty, POD, FOUND, "t")["v"]
    (folder / "kept").touch()
    assert volumes.set_up(empty, POD, FOUND, "t")["v"] == folder
    assert (folder / "kept").exists()
    volumes.tear_down()
    assert not folder.exists()


def test_a_failed_mount_names_the_volume(tmp_path: Path) -> None:
    with pytest.raises(MountFailed, match='MountVolume.SetUp failed for volume "v" : configmap "none" not found'):
        PodVolumes(tmp_path).set_up([volume(configMap={"name": "none"})], POD, FOUND, "t")


def test_labels_that_change_are_shown_after_a_refresh(tmp_path: Path) -> None:
    volumes = PodVolumes(tmp_path)
    info = [volume(downwardAPI={"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels['a']"}}]})]
    folder = volumes.set_up(info, POD, FOUND, "t")["v"]
    volumes.refresh(info, dataclasses.replace(POD, labels={"a": "new"}), FOUND, "t2")
    assert (folder / "l").read_text() == "new"


@pytest.mark.lab
def test_memory_is_mounted_and_unmounted(tmp_path: Path) -> None:
    volumes = PodVolumes(tmp_path, group=4242)
    folder = volumes.set_up([volume(emptyDir={"medium": "Memory", "sizeLimit": "1Mi"})], POD, FOUND, "t")["v"]
    assert os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize == 1024 * 1024
    assert folder.stat().st_gid == 4242
    volumes.tear_down()
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
