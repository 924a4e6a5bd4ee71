import io
import tarfile
from pathlib import Path

import msgspec
import pytest

from lab import archives
from lab.errors import LabError
from lab.images.oci import Image, archive, layer_tar, text

IMAGE = Image(name="docker.io/library/tiny:1", layers=((text("a", "1"),),), config={}, architecture="amd64")


def tar_of(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_an_oci_layout_gives_its_image_with_config_and_layers(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(archive(IMAGE))
    with archives.opened(path) as opened:
        manifest = opened.images["docker.io/library/tiny:1"]
        assert len(manifest.blobs) == 2
        assert opened.blob(manifest.blobs[1]) == layer_tar(IMAGE.layers[0])


def test_an_old_docker_save_becomes_an_oci_manifest(tmp_path: Path) -> None:
    layer = layer_tar(IMAGE.layers[0])
    listing = [{"Config": "c.json", "RepoTags": ["tiny:1", "tiny:2"], "Layers": ["l/layer.tar"]}]
    files = {"c.json": b"{}", "l/layer.tar": layer, "manifest.json": msgspec.json.encode(listing)}
    with archives.opened(tar_of(tmp_path / "image.tar", files)) as opened:
        assert set(opened.images) == {"tiny:1", "tiny:2"}
        config, stored = opened.images["tiny:1"].blobs
        assert (opened.blob(config), opened.blob(stored)) == (b"{}", layer)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"no tar at all", "no usable image archive", id="not a tar"),
        pytest.param(b"", "no usable image archive", id="empty"),
    ],
)
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(content)
    with pytest.raises(LabError, match=complaint) as caught, archives.opened(path):
        pass
    assert "bad.tar" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="missing.tar"), archives.opened(tmp_path / "missing.tar"):
        pass


def test_a_tar_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", {"readme": b"hello"})
    with pytest.raises(LabError, match=r"neither index.json nor manifest.json"), archives.opened(path):
        pass


def test_a_blob_that_does_not_match_its_digest_is_refused(tmp_path: Path) -> None:
    body = archive(IMAGE).replace(b'"os":"linux"', b'"os":"linuz"')
    path = tmp_path / "image.tar"
    path.write_bytes(body)
    with pytest.raises(LabError, match="does not match its name"), archives.opened(path) as opened:
        for digest in opened.images["docker.io/library/tiny:1"].blobs:
            opened.blob(digest)


def test_images_without_names_are_refused(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "image.tar", {"index.json": b'{"manifests":[]}'})
    with pytest.raises(LabError, match="no image in it has a name"), archives.opened(path):
        pass
