"""Image names: what "nginx" means, and where a mirror keeps it.

The rules are those of https://github.com/distribution/reference: the first part is a registry's host when it has a dot
or a port or is "localhost"; without one, Docker Hub is meant, and its images without an owner are in "library/".
"""

from dataclasses import dataclass

HUB = "docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A parsed name. `version` is a tag, or a digest with its algorithm."""

    host: str
    repository: str
    version: str

    def __str__(self) -> str:
        separator = "@" if ":" in self.version else ":"
        return f"{self.host}/{self.repository}{separator}{self.version}"


def parse_reference(name: str) -> Reference:
    rest, _, digest = name.partition("@")
    first, slash, path = rest.partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, path = (first, path) if has_host else (HUB, rest)
    path, _, tag = path.partition(":")
    if host == HUB and "/" not in path:
        path = f"library/{path}"
    return Reference(host=host, repository=path, version=digest or tag or "latest")
