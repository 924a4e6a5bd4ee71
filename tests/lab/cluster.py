"""A cluster as tests hold it, and how they wait for it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lab.machines import Lab, Machine

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running engine with its machines, and the commands that people use on it."""

    data_dir: Path
    kubectl_path: str

    @property
    def lab(self) -> Lab:
        return Lab.open(self.data_dir)

    @property
    def machines(self) -> list[Machine]:
        return self.lab.machines()

    @property
    def kubeconfig(self) -> Path:
        return self.data_dir / "kubeconfig"

    def try_pilothouse(self, *words: str, timeout: float = 240) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "pilothouse", "--data-dir", str(self.data_dir), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, cwd=REPOSITORY)

    def pilothouse(self, *words: str, timeout: float = 240) -> str:
        done = self.try_pilothouse(*words, timeout=timeout)
        assert done.returncode == 0, f"pilothouse {' '.join(words)}: {done.stderr}{done.stdout}"
        return done.stdout

    def try_kubectl(self, *words: str, stdin: str = "", timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.kubectl_path, "--kubeconfig", str(self.kubeconfig), *words],
            input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def kubectl(self, *words: str, stdin: str = "", timeout: float = 60) -> str:
        done = self.try_kubectl(*words, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def get(self, *words: str) -> dict[str, Any]:
        return json.loads(self.kubectl("get", *words, "--output", "json"))

    def pods(self, selector: str, namespace: str = "default") -> list[dict[str, Any]]:
        """Pods that are not on their way out, by name."""
        found = self.get("pods", "--namespace", namespace, "--selector", selector)["items"]
        alive = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return sorted(alive, key=lambda pod: pod["metadata"]["name"])


def eventually(look: Callable[[], T], *, within: float = 30, every: float = 0.2) -> T:
    """What `look` returns once that is true; its last AssertionError or answer fails the test after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        try:
            found = look()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        else:
            if found:
                return found
            assert time.monotonic() < deadline, f"still {found!r} after {within} s"
        time.sleep(every)


def is_ready(thing: dict[str, Any]) -> bool:
    """Whether a Pod or a Node is Ready."""
    conditions = thing.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
