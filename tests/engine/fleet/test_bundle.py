from __future__ import annotations

import asyncio
import tarfile
from pathlib import Path

import pytest

from engine.fleet.bundle import Bundles, Platform, requirements
from engine.fleet.errors import FleetError


def test_wheels_for_every_older_c_library_fit_too() -> None:
    tags = Platform(arch="arm64", python_tag="311", glibc_minor=19).wheel_tags()
    assert tags == [
        "manylinux_2_19_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
        "linux_aarch64",
    ]


def test_the_agents_requirements_carry_nothing_of_the_engine_or_the_terminal() -> None:
    names = {line.partition(">")[0] for line in requirements()}
    assert {"grpcio", "msgspec"} <= names
    assert not names & {"textual", "asyncssh", "kubernetes-validate", "pip"}


async def test_the_same_code_is_the_same_bundle(tmp_path: Path) -> None:
    first, second = await Bundles(tmp_path / "a").agent(), await Bundles(tmp_path / "b").agent()
    assert first.version == second.version
    assert first.path.read_bytes() == second.path.read_bytes()
    with tarfile.open(first.path) as archive:
        names = archive.getnames()
    assert {name.split("/")[0] for name in names} >= {"nodeagent", "apimachinery"}
    assert not [name for name in names if name.startswith(("engine", "tui", "lab")) or "__pycache__" in name]


@pytest.mark.lab
@pytest.mark.slow
async def test_libraries_are_fetched_for_another_processor_once_for_all_who_ask(tmp_path: Path) -> None:
    bundles = Bundles(tmp_path / "cache")
    platform = Platform(arch="arm64", python_tag="311", glibc_minor=36)
    first, second = await asyncio.gather(bundles.libraries(platform), bundles.libraries(platform))
    assert first == second
    assert content(tmp_path / "cache") == [first.path.name]
    with tarfile.open(first.path) as archive:
        grpc = next(
            name for name in archive.getnames() if name.startswith("grpc/_cython/cygrpc") and name.endswith(".so")
        )
        elf = archive.extractfile(grpc)
        assert elf is not None
        assert elf.read(20)[18:20] == b"\xb7\x00"


async def test_a_platform_without_wheels_is_named(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="cannot fetch the agent's libraries for arm64, Python 39"):
        await Bundles(tmp_path / "cache").libraries(Platform(arch="arm64", python_tag="39", glibc_minor=17))
    assert content(tmp_path / "cache") == []


def content(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []
