"""What a machine needs to run the agent, made once here so that machines need neither a compiler nor the internet.

Two layers, each a tar.gz named by what is in it: the libraries for one processor, Python and C library (large, seldom
new), and the agent's own code (small, new with each version). Both are unpacked on the machine as they are; nothing is
installed there by a package manager.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import sys
import tarfile
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.fleet.errors import FleetError, last_line
from engine.fleet.facts import Facts

PACKAGES = ("nodeagent", "apimachinery")
_DISTRIBUTION = "pilothouse"
_OLDEST_GLIBC_MINOR = 17
_WHEEL_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An archive on our disk; `version` names its content."""

    version: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Which wheels fit a machine."""

    arch: str
    python_tag: str
    glibc_minor: int

    @classmethod
    def of(cls, facts: Facts) -> Platform:
        minor = facts.libc[1] if facts.libc else _OLDEST_GLIBC_MINOR
        return cls(arch=facts.arch, python_tag=facts.python_tag, glibc_minor=minor)

    def wheel_tags(self) -> list[str]:
        """Platform tags of wheels that run here, the newest C library first."""
        machine = _WHEEL_ARCHITECTURES[self.arch]
        minors = range(self.glibc_minor, _OLDEST_GLIBC_MINOR - 1, -1)
        tags = [f"manylinux_2_{minor}_{machine}" for minor in minors]
        return [*tags, f"manylinux2014_{machine}", f"linux_{machine}"]


class Bundles:
    """Archives under a cache folder; each is built by whoever asks first, while the others wait."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def libraries(self, platform: Platform) -> Bundle:
        """The agent's dependencies for a platform. Raises FleetError when they cannot be had."""
        wanted = requirements()
        plan = json.dumps([wanted, platform.arch, platform.python_tag, platform.glibc_minor, "1"])
        version = hashlib.sha256(plan.encode()).hexdigest()[:16]
        path = self._folder / f"libraries-{platform.arch}-{platform.python_tag}-{version}.tar.gz"
        async with self._locks[version]:
            if not path.exists():
                with tempfile.TemporaryDirectory(prefix="pilothouse-libraries-") as scratch:
                    await _install(wanted, platform, Path(scratch))
                    await asyncio.to_thread(_store, path, lambda archive: _add_tree(archive, Path(scratch), ""))
        return Bundle(version=version, path=path)

    async def agent(self) -> Bundle:
        """The agent's own code as it runs here."""
        content = await asyncio.to_thread(_agent_archive)
        version = hashlib.sha256(content).hexdigest()[:16]
        path = self._folder / f"agent-{version}.tar.gz"
        if not path.exists():
            await asyncio.to_thread(_write, path, gzip.compress(content, mtime=0))
        return Bundle(version=version, path=path)


def requirements() -> list[str]:
    """What the agent depends on, as the distribution declares it in its `agent` extra."""
    try:
        declared = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        with (_package_folder("engine").parent / "pyproject.toml").open("rb") as file:
            return sorted(tomllib.load(file)["project"]["optional-dependencies"]["agent"])
    extra = [line.split(";") for line in declared if ";" in line]
    return sorted(name.strip() for name, marker in extra if marker.replace("'", '"').strip() == 'extra == "agent"')


def version() -> str:
    """The distribution's version; a source tree has none of its own."""
    try:
        return importlib.metadata.version(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "0+source"


async def _install(wanted: list[str], platform: Platform, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--no-compile"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", f"--target={folder}"]
    command += ["--implementation=cp", f"--python-version={platform.python_tag}"]
    command += [f"--platform={tag}" for tag in platform.wheel_tags()]
    process = await asyncio.create_subprocess_exec(
        *command,
        *wanted,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await process.communicate()
    if process.returncode != 0:
        said = last_line(stderr.decode(errors="replace"))
        raise FleetError(
            f"cannot fetch the agent's libraries for {platform.arch}, Python {platform.python_tag}: {said}"
        )


def _agent_archive() -> bytes:
    """The same bytes for the same code."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in PACKAGES:
            _add_tree(archive, _package_folder(name), name)
        metadata = f"Metadata-Version: 2.1\nName: {_DISTRIBUTION}\nVersion: {version()}\n".encode()
        _add(archive, f"{_DISTRIBUTION}-{version()}.dist-info/METADATA", metadata)
    return content.getvalue()


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise FleetError(f"this installation lacks the package {name}")
    return Path(spec.submodule_search_locations[0])


def _add_tree(archive: tarfile.TarFile, folder: Path, prefix: str) -> None:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and "__pycache__" not in relative.parts:
            _add(archive, str(Path(prefix) / relative), path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))


def _add(archive: tarfile.TarFile, name: str, content: bytes, *, executable: bool = False) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o755 if executable else 0o644
    archive.addfile(entry, io.BytesIO(content))


def _store(path: Path, fill: Callable[[tarfile.TarFile], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with tarfile.open(temporary, mode="w:gz", compresslevel=4) as archive:
        fill(archive)
    temporary.replace(path)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_bytes(content)
    temporary.replace(path)
