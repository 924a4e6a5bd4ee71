"""The catalog, built out of the packages of the computer that the tests run on."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from lab import archives
from lab.images.build import build_all
from lab.images.catalog import CATALOG

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    build_all(folder)
    return folder


def test_a_second_build_does_nothing(built: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in built.iterdir()}
    heard: list[tuple[str, bool]] = []
    build_all(built, on_image=lambda name, fresh: heard.append((name, fresh)))
    assert {path.name: path.stat().st_mtime_ns for path in built.iterdir()} == before
    assert ("docker.io/library/nginx:1.27", False) in heard
    assert not any(fresh for _, fresh in heard)


def test_an_archive_that_is_gone_or_stale_is_built_again(built: Path) -> None:
    first = (built / "busybox.tar").read_bytes()
    (built / "busybox.tar").unlink()
    (built / "flask-helloworld.key").write_text("something else")
    heard: dict[str, bool] = {}
    build_all(built, on_image=heard.__setitem__)
    assert {name for name, fresh in heard.items() if fresh} == {
        "docker.io/library/busybox:latest", "docker.io/digitalocean/flask-helloworld:latest",
    }  # fmt: skip
    assert (built / "busybox.tar").read_bytes() == first


@pytest.mark.parametrize("name", CATALOG)
def test_every_archive_holds_its_image(built: Path, name: str) -> None:
    with archives.opened(built / f"{name}.tar") as archive:
        (manifest,) = archive.images.values()
        for digest in manifest.blobs:
            archive.blob(digest)


@pytest.mark.parametrize(
    ("name", "argv", "answer"),
    [
        pytest.param("busybox", ["sh", "-c", "wget --help 2>&1; nslookup 2>&1; httpd --help 2>&1"], "Usage: wget", id="busybox"),
        pytest.param("nginx", ["nginx", "-t"], "test is successful", id="nginx"),
        pytest.param("nginx", ["bash", "-c", "echo $BASH_VERSION"], "5.", id="bash in nginx"),
        pytest.param("redis", ["redis-server", "--version"], "Redis server v=", id="redis"),
        pytest.param("redis", ["redis-cli", "--version"], "redis-cli", id="redis-cli"),
        pytest.param("flask-helloworld", ["cat", "/srv/www/index.html"], "Hello World!", id="flask"),
    ],
)  # fmt: skip
def test_programs_run_with_nothing_but_the_image(
    built: Path, tmp_path: Path, name: str, argv: list[str], answer: str
) -> None:
    with archives.opened(built / f"{name}.tar") as archive:
        (manifest,) = archive.images.values()
        for number, digest in enumerate(manifest.blobs[1:]):
            layer = tmp_path / f"{number}.tar"
            layer.write_bytes(archive.blob(digest))
            with tarfile.open(layer) as tar:
                tar.extractall(tmp_path / "root", filter="fully_trusted")
    (tmp_path / "root/dev/stderr").touch()
    (tmp_path / "root/dev/null").touch()
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        ["/usr/sbin/chroot", tmp_path / "root", *argv], capture_output=True, env=environment, check=False
    )
    assert answer in (done.stdout + done.stderr).decode()
