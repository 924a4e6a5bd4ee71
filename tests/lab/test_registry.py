"""The lab's registry, and machines that pull from it."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import archives
from lab.images.build import build_all
from lab.machines import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab.open(tmp_path_factory.mktemp("data"), "registry")
    try:
        lab.up(1)
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = build_all(tmp_path_factory.mktemp("images"), ["busybox"])
    return path


def test_a_loaded_image_is_served_by_tag_and_by_digest(lab: Lab, busybox: Path) -> None:
    assert lab.registry.load(busybox) == ["docker.io/library/busybox:latest"]
    with archives.opened(busybox) as archive:
        (manifest,) = archive.images.values()
    for version in ("latest", manifest.digest):
        request = urllib.request.Request(
            f"{lab.registry.url}/v2/library/busybox/manifests/{version}", headers={"Accept": manifest.media_type}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.read() == manifest.body


def test_loading_again_sends_nothing(lab: Lab, busybox: Path) -> None:
    lab.registry.load(busybox)
    log = lab.registry.folder / "registry.log"
    before = log.read_text().count('"PUT ')
    lab.registry.load(busybox)
    assert log.read_text().count('"PUT ') == before > 0


def test_a_machines_containerd_pulls_any_registrys_image_from_it(lab: Lab, busybox: Path) -> None:
    lab.registry.load(busybox)
    hosts = f'[host."{lab.registry.url}"]\n  capabilities = ["pull", "resolve"]\n'
    script = """\
mkdir -p /etc/test/_default /run/test && cat >/etc/test/_default/hosts.toml
cat >/run/test/c.toml <<X
version = 2
root = "/var/lib/containerd"
state = "/run/test/state"
[grpc]
address = "/run/test/sock"
X
systemd-run --quiet --unit test-containerd -p Type=notify containerd -c /run/test/c.toml
for image in docker.io/library/busybox:latest quay.io/library/busybox:latest; do
  ctr -a /run/test/sock images pull --hosts-dir /etc/test $image
done
ctr -a /run/test/sock run --rm quay.io/library/busybox:latest one echo ran
"""
    done = lab.run("m1", ["sh", "-ec", script], stdin=hosts.encode())
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().rstrip().endswith("ran")


def test_the_registry_is_started_again_by_up(lab: Lab) -> None:
    lab.registry.stop()
    assert not lab.registry.runs()
    lab.up(1)
    with urllib.request.urlopen(f"{lab.registry.url}/v2/", timeout=5) as answer:
        assert answer.status == 200
