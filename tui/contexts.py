"""The clusters one can switch to: contexts of kubeconfig files, read anew each time they are asked for."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apimachinery.client import kubeconfig
from apimachinery.client.errors import KubeconfigError
from apimachinery.client.kubeconfig import ClusterAccess, Kubeconfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextInfo:
    name: str
    cluster: str
    user: str
    server: str
    namespace: str


class Contexts:
    """`files` in order of precedence: of contexts with one name the first counts. None is kubectl's own default."""

    def __init__(self, files: Sequence[Path | None] = (None,)) -> None:
        self._files = tuple(files)
        self.problems: list[str] = []

    def all(self) -> list[ContextInfo]:
        """By name. A file that cannot be read leaves out its contexts and is told of in `problems`."""
        found: dict[str, ContextInfo] = {}
        for config in self._configs():
            for name, context in config.contexts.items():
                cluster = config.clusters.get(context.get("cluster", ""), {})
                info = ContextInfo(
                    name=name,
                    cluster=context.get("cluster", ""),
                    user=context.get("user", ""),
                    server=cluster.get("server", ""),
                    namespace=context.get("namespace") or "default",
                )
                found.setdefault(name, info)
        return sorted(found.values(), key=lambda info: info.name)

    def names(self) -> list[str]:
        return [info.name for info in self.all()]

    def access(self, name: str) -> ClusterAccess:
        """Raises KubeconfigError when there is no such context, or it is not complete."""
        for config in self._configs():
            if name in config.contexts:
                return config.access(name)
        raise KubeconfigError(f'context "{name}" does not exist')

    def kubeconfig_for_others(self) -> str:
        """KUBECONFIG for a program that shall find the same contexts."""
        default = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        return os.pathsep.join(str(file) if file is not None else default for file in self._files)

    def _configs(self) -> list[Kubeconfig]:
        configs: list[Kubeconfig] = []
        self.problems = []
        for file in self._files:
            try:
                configs.append(kubeconfig.read(file))
            except KubeconfigError as error:
                if file is None and not os.environ.get("KUBECONFIG"):
                    # Nobody has to have the default file.
                    continue
                self.problems.append(str(error))
        return configs
