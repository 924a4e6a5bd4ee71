"""Run one client's suite against an engine and a lab machine of its own; all of it is gone afterwards."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from lab.images.debian import host_architecture
from lab.images.oci import archive
from scripts.clients import explained
from scripts.clients.cluster import KUBECTL, REPOSITORY, Cluster
from scripts.clients.suites import STAND_INS, SUITES, Suite

TEST_SECONDS = 120
SUITE_SECONDS = 30 * 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", choices=sorted(SUITES), required=True)
    parser.add_argument("--source", type=Path, required=True, help="a checkout of the client's source")
    arguments, words = parser.parse_known_args()
    # Ended from outside we still take the machine down: as an exit, not as a death.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    suite: Suite = SUITES[arguments.suite]
    with tempfile.TemporaryDirectory(prefix="pilothouse-clients-") as folder:
        work = Path(folder)
        python = install(suite, arguments.source.resolve(), work)
        cluster = Cluster(work / "data", f"clients-{arguments.suite}")
        try:
            cluster.up()
            load_stand_ins(cluster, work)
            cluster.add_system_pods()
            return run_suite(python, suite, work / "run", cluster.add_admin(), words)
        finally:
            cluster.down()


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
    shutil.copy(explained.__file__, work / "run")
    (work / "run/explained.json").write_text(json.dumps(suite.cannot_pass))
    return python


def load_stand_ins(cluster: Cluster, work: Path) -> None:
    architecture = host_architecture()
    for build, references in STAND_INS.items():
        image = build(architecture)
        for reference in references:
            file = work / "image.tar"
            file.write_bytes(archive(replace(image, name=reference)))
            cluster.load_image(file)


def run_suite(python: Path, suite: Suite, folder: Path, kubeconfig: Path, words: list[str]) -> int:
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "KUBECTL": str(KUBECTL),
        "PATH": f"{KUBECTL.parent}:{python.parent}:{os.environ['PATH']}",
    }
    argv = [str(python), "-m", "pytest", "-p", "explained", "-rxX", f"--timeout={TEST_SECONDS}", *suite.tests, *words]
    with subprocess.Popen(argv, cwd=folder, env=environment, start_new_session=True) as suite_process:
        try:
            return suite_process.wait(SUITE_SECONDS)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"the suite did not end within {SUITE_SECONDS} s\n")
            return 1
        finally:
            # also what its tests have started and left
            _end_group(suite_process.pid)


def _end_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    sys.exit(main())
