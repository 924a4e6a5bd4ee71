import io
import tarfile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.images.oci import CONTAINERD_NAME, Entry, Image, archive, digest, folder, layer_tar, link, text

paths = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


def members(tar: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return {member.name: member for member in opened.getmembers()}


@given(st.permutations(["usr/bin/sh", "etc/passwd", "tmp"]))
def test_the_order_of_entries_does_not_change_a_layer(order: list[str]) -> None:
    assert layer_tar([text(path, path) for path in order]) == layer_tar([text(p, p) for p in sorted(order)])


@given(paths)
def test_every_parent_is_in_the_layer_before_its_child(path: str) -> None:
    names = list(members(layer_tar([text(path, "")])))
    parts = path.split("/")
    assert names == ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def test_a_layer_keeps_modes_links_and_folders() -> None:
    found = members(layer_tar([folder("tmp", 0o1777), link("bin", "usr/bin"), text("run.sh", "x", 0o755)]))
    assert found["tmp"].isdir()
    assert found["tmp"].mode == 0o1777
    assert found["bin"].linkname == "usr/bin"
    assert found["run.sh"].mode == 0o755
    assert {member.mtime for member in found.values()} == {0}


def test_an_archive_names_its_image_and_every_digest_matches() -> None:
    image = Image(
        name="docker.io/library/tiny:1", layers=((text("a", "1"),), (text("b", "2"),)), config={"Cmd": ["/a"]},
        architecture="arm64",
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(archive(image))) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    (listed,) = msgspec.json.decode(files["index.json"])["manifests"]
    assert listed["annotations"][CONTAINERD_NAME] == "docker.io/library/tiny:1"
    assert listed["platform"] == {"os": "linux", "architecture": "arm64"}
    for name, blob in files.items():
        if name.startswith("blobs/"):
            assert digest(blob) == name.removeprefix("blobs/").replace("/", ":")
    manifest = msgspec.json.decode(files["blobs/" + listed["digest"].replace(":", "/")])
    config = msgspec.json.decode(files["blobs/" + manifest["config"]["digest"].replace(":", "/")])
    assert config["config"] == {"Cmd": ["/a"]}
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert len(manifest["layers"]) == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(text("a", "2"), id="content"),
        pytest.param(text("a", "1", 0o600), id="mode"),
        pytest.param(text("b", "1"), id="path"),
        pytest.param(Entry(path="a", mode=0o644, content=b"1", uid=5), id="owner"),
    ],
)
def test_a_fingerprint_tells_entries_apart(other: Entry) -> None:
    assert text("a", "1").fingerprint() != other.fingerprint()
