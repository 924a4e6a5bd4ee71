"""The suites that scripts/test-clients knows: what to install, where the tests go, what they expect of a cluster."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# What the suites' pods run, by the images of the lab's catalog that stand in for them.
STAND_INS = {
    "busybox": ("docker.io/library/busybox:latest",),
    "nginx": ("docker.io/library/nginx:1.15.4", "docker.io/library/nginx:1.14.2", "docker.io/library/nginx:stable"),
    "pause": ("k8s.gcr.io/pause:2.0", "registry.k8s.io/pause:3.9"),
}

# kr8s makes its cluster with kind in a conftest at the root of its checkout; this one hands it ours instead.
_KR8S_CLUSTER = """
import os, subprocess
from pathlib import Path
from types import SimpleNamespace
import pytest

@pytest.fixture
def ensure_gc():
    import gc
    gc.collect()
    yield
    gc.collect()

@pytest.fixture(scope="session", autouse=True)
def k8s_cluster():
    path = Path(os.environ["KUBECONFIG"])
    def kubectl(*words, **_):
        argv = [os.environ["KUBECTL"], "--kubeconfig", str(path), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    yield SimpleNamespace(kubeconfig_path=path, kubectl=kubectl, name="pilothouse")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """`lay_out(source, site_packages, work)` puts the tests in place; `tests` are their folders, seen from `work`.

    `from_source` installs the client out of the checkout, where its tests need more than the newest release has.
    """

    packages: tuple[str, ...]
    from_source: bool = False
    lay_out: Callable[[Path, Path, Path], None]
    tests: tuple[str, ...]


def _lay_out_python(source: Path, site_packages: Path, work: Path) -> None:
    """The tests import themselves as part of the installed client, and read files relative to where they run."""
    client = site_packages / "kubernetes"
    shutil.copytree(source / "kubernetes/e2e_test", client / "e2e_test", dirs_exist_ok=True)
    for test in (source / "kubernetes/base/dynamic").glob("test_*.py"):
        shutil.copy(test, client / "dynamic")
    (work / "kubernetes").symlink_to(client)


def _lay_out_kr8s(source: Path, _site_packages: Path, work: Path) -> None:
    shutil.copytree(source / "kr8s/tests", work / "kr8s_suite/tests")
    shutil.copy(source / "kr8s/conftest.py", work / "kr8s_suite/conftest.py")
    (work / "conftest.py").write_text(_KR8S_CLUSTER)
    (work / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")


SUITES = {
    "python": Suite(
        packages=("kubernetes", "pytest", "pytest-timeout"),
        lay_out=_lay_out_python,
        tests=("kubernetes/e2e_test", "kubernetes/dynamic"),
    ),
    "kr8s": Suite(
        packages=(
            "pytest", "pytest-asyncio", "pytest-timeout", "pytest-rerunfailures", "trio", "lightkube",
            "kubernetes", "pykube-ng", "kubernetes-asyncio", "kubernetes-validate",
        ),
        from_source=True,
        lay_out=_lay_out_kr8s,
        tests=("kr8s_suite",),
    ),
}  # fmt: skip
