"""The suites that scripts/test-clients knows: what to install, where the tests go, what they expect of a cluster."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.images.busybox import busybox
from lab.images.nginx import LATEST, nginx
from lab.images.oci import Image
from lab.images.python import python


def _pause(architecture: str) -> Image:
    image = busybox(architecture)
    return replace(image, config={**image.config, "Cmd": ["sleep", "infinity"]})


def _nginx(architecture: str) -> Image:
    return nginx("latest", LATEST, architecture)


# What the suites' pods run, by the images that stand in for them: `ubuntu` for its date, cat and sleep.
STAND_INS: Mapping[Callable[[str], Image], tuple[str, ...]] = {
    busybox: ("docker.io/library/busybox:latest", "docker.io/library/ubuntu:latest"),
    _nginx: tuple(
        f"docker.io/library/nginx:{tag}" for tag in ("1.7.9", "1.10", "1.14.2", "1.15.4", "1.21.4", "stable")
    ),
    _pause: ("k8s.gcr.io/pause:2.0", "registry.k8s.io/pause:3.9"),
    python: ("docker.io/library/python:latest",),
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
    yield SimpleNamespace(kubeconfig_path=path, kubectl=kubectl, kubectl_path=os.environ["KUBECTL"], name="pilothouse")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """`lay_out(source, site_packages, work)` puts the tests in place; `tests` are their folders, seen from `work`.

    `from_source` installs the client out of the checkout, where its tests need more than the newest release has.
    `cannot_pass` names tests that fail on any server of this version, or on any but the suite's own, each with why.
    """

    packages: tuple[str, ...]
    from_source: bool = False
    lay_out: Callable[[Path, Path, Path], None]
    tests: tuple[str, ...]
    cannot_pass: Mapping[str, str] = field(default_factory=dict[str, str])


def _lay_out_python(source: Path, site_packages: Path, work: Path) -> None:
    """The tests import themselves as part of the installed client, and read files relative to where they run."""
    client = site_packages / "kubernetes"
    for tests in ("e2e_test", "aio/e2e_test"):
        shutil.copytree(source / "kubernetes" / tests, client / tests, dirs_exist_ok=True)
    for test in (source / "kubernetes/base/dynamic").glob("test_*.py"):
        shutil.copy(test, client / "dynamic")
    (work / "kubernetes").symlink_to(client)


def _lay_out_kr8s(source: Path, _site_packages: Path, work: Path) -> None:
    shutil.copytree(source / "kr8s/tests", work / "kr8s_suite/tests")
    shutil.copy(source / "kr8s/conftest.py", work / "kr8s_suite/conftest.py")
    (work / "conftest.py").write_text(_KR8S_CLUSTER)
    (work / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")


def _lay_out_kubernetes_asyncio(source: Path, site_packages: Path, work: Path) -> None:
    client = site_packages / "kubernetes_asyncio"
    shutil.copytree(source / "kubernetes_asyncio/e2e_test", client / "e2e_test", dirs_exist_ok=True)
    (work / "kubernetes_asyncio").symlink_to(client)


def _lay_out_lightkube(source: Path, _site_packages: Path, work: Path) -> None:
    shutil.copytree(source / "e2e-tests", work / "e2e-tests")


def _lay_out_kopf(source: Path, _site_packages: Path, work: Path) -> None:
    """Its tests run its examples, and read both and their settings relative to where they run."""
    shutil.copytree(source / "tests/e2e", work / "tests/e2e")
    shutil.copytree(source / "examples", work / "examples")
    for file in ("tests/conftest.py", "pyproject.toml", "peering.yaml"):
        shutil.copy(source / file, work / file)


_V1BETA1_CRDS = "asks for CustomResourceDefinitions of apiextensions.k8s.io/v1beta1 first, which Kubernetes has not served since 1.22"

SUITES = {
    "python": Suite(
        packages=("kubernetes", "pytest", "pytest-timeout"),
        lay_out=_lay_out_python,
        tests=("kubernetes/e2e_test", "kubernetes/aio/e2e_test", "kubernetes/dynamic"),
        cannot_pass={
            "::test_cluster_custom_resources": _V1BETA1_CRDS,
            "::test_namespaced_custom_resources": _V1BETA1_CRDS,
            "::test_async_namespaced_custom_resources": _V1BETA1_CRDS,
            "::test_cache_decoder_resource_and_subresource": (
                "compares two objects of a class that defines no equality: no server can make them equal"
            ),
        },
    ),
    "kr8s": Suite(
        packages=(
            "pytest", "pytest-asyncio", "pytest-timeout", "pytest-rerunfailures", "trio", "lightkube",
            "kubernetes<37",  # the modules of its models moved in 37, and the suite imports one
            "pykube-ng", "kubernetes-asyncio", "kubernetes-validate",
        ),
        from_source=True,
        lay_out=_lay_out_kr8s,
        tests=("kr8s_suite",),
        cannot_pass={
            "test_api.py::test_api_resources": (
                "wants one resource named pods: metrics.k8s.io, which kind does not serve and we do, has another"
            ),
        },
    ),
    "kubernetes-asyncio": Suite(
        packages=("kubernetes-asyncio", "pytest", "pytest-asyncio", "pytest-timeout"),
        lay_out=_lay_out_kubernetes_asyncio,
        tests=("kubernetes_asyncio/e2e_test",),
    ),
    "lightkube": Suite(
        packages=("lightkube-models", "pytest", "pytest-asyncio", "pytest-timeout"),
        from_source=True,
        lay_out=_lay_out_lightkube,
        tests=("e2e-tests",),
    ),
    "kopf": Suite(
        packages=(
            "pytest>=9", "pytest-asyncio", "pytest-mock", "pytest-timeout", "pytest-aiohttp", "looptime>=0.7", "kmock>=0.5",
            "astpath[xpath]", "lxml", "certbuilder", "certvalidator", "freezegun", "pykube-ng", "kubernetes",
        ),
        from_source=True,
        lay_out=_lay_out_kopf,
        # Its own warnings are errors, among them that of a connection it had no time to close on a busy computer.
        tests=("--only-e2e", "-Wignore::ResourceWarning", "tests/e2e", "examples"),
        cannot_pass={
            "test_all_examples_are_runnable[17-admission]": (
                "oscrypto, as PyPI has it, does not recognise OpenSSL 3.0.10 and later; kopf's own CI takes a fix from git"
            ),
        },
    ),
}  # fmt: skip
