"""Run one client's suite against an engine and a lab machine of its own; all of it is gone afterwards."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from lab.images.busybox import busybox
from lab.images.debian import host_architecture
from lab.images.nginx import LATEST, nginx
from lab.images.oci import Image, archive
from scripts.clients.suites import STAND_INS, SUITES, Suite

REPOSITORY = Path(__file__).resolve().parents[2]
TEST_TIMEOUT = 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", choices=sorted(SUITES), required=True)
    parser.add_argument("--source", type=Path, required=True, help="a checkout of the client's source")
    arguments, words = parser.parse_known_args()
    # Ended from outside we still take the machine down: as an exit, not as a death.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="pilothouse-clients-") as folder:
        work = Path(folder)
        python = install(SUITES[arguments.suite], arguments.source.resolve(), work)
        data_dir = work / "data"
        try:
            pilothouse(data_dir, "engine", "start", "--listen", "127.0.0.1:0")
            pilothouse(data_dir, "lab", "up", "--machines", "1", "--name", "clients")
            load_stand_ins(data_dir, work)
            return run_suite(python, SUITES[arguments.suite], work, data_dir, words)
        finally:
            pilothouse(data_dir, "lab", "down", "--name", "clients")
            pilothouse(data_dir, "engine", "stop")


def install(suite: Suite, source: Path, work: Path) -> Path:
    """A fresh environment with the released client and the checkout's tests; gives its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(work / "venv")], check=True)
    python = work / "venv/bin/python"
    uv = Path(sys.prefix) / "bin/uv"
    packages = [*suite.packages, *([str(source)] if suite.from_source else [])]
    # A checkout without its history has no version of its own; any will do.
    environment = {**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION": "0.0.0"}
    subprocess.run([str(uv), "pip", "install", "-q", "--python", str(python), *packages], check=True, env=environment)
    site_packages = next((work / "venv/lib").glob("python*/site-packages"))
    (work / "run").mkdir()
    suite.lay_out(source, site_packages, work / "run")
    return python


def load_stand_ins(data_dir: Path, work: Path) -> None:
    architecture = host_architecture()
    for name, references in STAND_INS.items():
        for reference in references:
            file = work / "image.tar"
            file.write_bytes(archive(stand_in(name, reference, architecture)))
            pilothouse(data_dir, "lab", "load-image", str(file), "--name", "clients")


def stand_in(name: str, reference: str, architecture: str) -> Image:
    if name == "nginx":
        return replace(nginx("latest", LATEST, architecture), name=reference)
    image = busybox(architecture)
    if name == "pause":
        return replace(image, name=reference, config={**image.config, "Cmd": ["sleep", "infinity"]})
    return replace(image, name=reference)


def run_suite(python: Path, suite: Suite, work: Path, data_dir: Path, words: list[str]) -> int:
    environment = {
        **os.environ,
        "KUBECONFIG": str(data_dir / "kubeconfig"),
        "KUBECTL": str(REPOSITORY / ".venv/clients/kubectl"),
        "PATH": f"{REPOSITORY}/.venv/clients:{python.parent}:{os.environ['PATH']}",
    }
    argv = [str(python), "-m", "pytest", f"--timeout={TEST_TIMEOUT}", *suite.tests, *words]
    return subprocess.run(argv, cwd=work / "run", env=environment, check=False).returncode


def pilothouse(data_dir: Path, *words: str) -> None:
    argv = [sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir), *words]
    subprocess.run(argv, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
