"""Images for containers, by pull policy, a few at a time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence

import msgspec

from nodeagent.cri.errors import RuntimeFailure
from nodeagent.cri.runtime import Runtime
from nodeagent.cri.types import Image, RegistryAuth
from nodeagent.pods.view import Container

PARALLEL_PULLS = 3
Tell = Callable[[str, str, str], None]
"""(type, reason, message) of an event about the container."""


class ImageUnavailable(Exception):
    """The image cannot be had; `reason` is what the container's status shows."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def with_tag(reference: str) -> str:
    """The reference with `:latest` unless it has a tag or a digest."""
    if "@" in reference or ":" in reference.rpartition("/")[2]:
        return reference
    return f"{reference}:latest"


def pull_policy(container: Container) -> str:
    """The policy of the spec, or upstream's default where an API server left it out."""
    if container.image_pull_policy:
        return container.image_pull_policy
    return "Always" if with_tag(container.image).endswith(":latest") else "IfNotPresent"


def registry_host(reference: str) -> str:
    """The registry that a reference names: ``docker.io`` when it names none."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def credentials(reference: str, secrets: Sequence[Mapping[str, bytes]]) -> list[RegistryAuth]:
    """The logins among pull secrets that fit the image's registry, in order."""
    host = registry_host(reference)
    found: list[RegistryAuth] = []
    for secret in secrets:
        raw = secret.get(".dockerconfigjson") or secret.get(".dockercfg")
        if raw is None:
            continue
        try:
            decoded = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            continue
        entries = decoded.get("auths", decoded) if isinstance(decoded, dict) else {}
        found.extend(_login(name, entry) for name, entry in entries.items() if _host_of(name) == host)
    return found


class Images:
    """Brings images to this machine through the runtime."""

    def __init__(self, runtime: Runtime, now: Callable[[], float]) -> None:
        self._runtime = runtime
        self._now = now
        self._slots = asyncio.Semaphore(PARALLEL_PULLS)

    async def ensure(self, container: Container, logins: Sequence[RegistryAuth], tell: Tell) -> Image:
        """The image of the container, pulled if its policy asks for it. Raises ImageUnavailable."""
        reference = with_tag(container.image)
        image = await self._runtime.image(reference)
        policy = pull_policy(container)
        if policy == "Never" and image is None:
            message = f'Container image "{container.image}" is not present with pull policy of Never'
            tell("Warning", "ErrImageNeverPull", message)
            raise ImageUnavailable("ErrImageNeverPull", message)
        if image is not None and policy != "Always":
            text = f'Container image "{container.image}" already present on machine and can be accessed by the pod'
            tell("Normal", "Pulled", text)
            return image
        await self._pull(container.image, reference, logins, tell)
        image = await self._runtime.image(reference)
        if image is None:
            raise ImageUnavailable("ErrImagePull", f"image {reference} vanished after its pull")
        return image

    async def _pull(self, shown: str, reference: str, logins: Sequence[RegistryAuth], tell: Tell) -> None:
        tell("Normal", "Pulling", f'Pulling image "{shown}"')
        asked = self._now()
        try:
            async with self._slots:
                started = self._now()
                await self._fetch(reference, logins)
        except RuntimeFailure as error:
            tell("Warning", "Failed", f'Failed to pull image "{shown}": {error}')
            tell("Warning", "Failed", "Error: ErrImagePull")
            raise ImageUnavailable("ErrImagePull", str(error)) from error
        ended = self._now()
        image = await self._runtime.image(reference)
        size = 0 if image is None else image.size
        took = f"{_seconds(ended - started)} ({_seconds(ended - asked)} including waiting)"
        tell("Normal", "Pulled", f'Successfully pulled image "{shown}" in {took}. Image size: {size} bytes.')

    async def _fetch(self, reference: str, logins: Sequence[RegistryAuth]) -> None:
        """With each login in turn; the last failure counts."""
        for login in logins[:-1]:
            try:
                await self._runtime.pull(reference, login)
                return
            except RuntimeFailure:
                continue
        await self._runtime.pull(reference, logins[-1] if logins else None)


def _login(server: str, entry: Mapping[str, str]) -> RegistryAuth:
    user, password = entry.get("username", ""), entry.get("password", "")
    if not user and entry.get("auth"):
        user, _, password = base64.b64decode(entry["auth"]).decode(errors="replace").partition(":")
    return RegistryAuth(username=user, password=password, server=server, identity_token=entry.get("identitytoken", ""))


def _host_of(server: str) -> str:
    host = server.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return "docker.io" if host in ("index.docker.io", "registry-1.docker.io") else host


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.3f}s"
