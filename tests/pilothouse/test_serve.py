"""`pilothouse serve` as a process, on a real engine, in a real browser."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apimachinery.objects.resources import CONFIGMAPS
from pilothouse import datadir
from tests.browser import find_browser, opened_page
from tests.engine.conftest import RunningEngine, start_engine, stop_engine

in_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium here: scripts/setup --tests installs one")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[RunningEngine]:
    engine, task = await start_engine(tmp_path / "data", controllers=False)
    yield engine
    await stop_engine(engine, task)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "pilothouse", *words]


@asynccontextmanager
async def served(
    engine: RunningEngine, home: Path, *words: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        *command("serve", "--port", "0", "--kubeconfig", str(engine.kubeconfig), *words),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "HOME": str(home), "KUBECONFIG": ""},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            address = (await process.stdout.readline()).decode().strip()
        assert address.startswith("http://127.0.0.1:")
        yield process, address
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


async def ended(pids: list[int]) -> None:
    for _ in range(600):
        if not any(datadir.is_alive(pid) for pid in pids):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"still there: {pids}")


@in_browser
async def test_a_browser_shows_the_cluster_and_its_keys_work(engine: RunningEngine, tmp_path: Path) -> None:
    await engine.client.create(CONFIGMAPS, {"metadata": {"name": "chart"}, "data": {"depth": "12"}}, "default")
    async with served(engine, tmp_path, "--readonly") as (process, address), opened_page(tmp_path / "profile") as page:
        await page.go(address)
        await page.shows("No pods in default", "● live", "read-only")
        await page.press(":", *"cm default", "Enter")
        await page.shows("default ▸ configmaps", "chart")
        await page.press("y")
        await page.shows("depth: '12'")
        await engine.client.patch(CONFIGMAPS, "chart", {"data": {"depth": "30"}}, "default")
        await page.shows("depth: '30'")
        assert "token" not in await page.evaluate("location.href + document.referrer")
        own = address.split("/?")[0].removeprefix("http://")
        assert {asked.split("://")[1].split("/")[0] for asked in page.asked} == {own}
        assert not page.problems

        apps = children_of(process.pid)
        assert len(apps) == 1
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
        assert not any(datadir.is_alive(pid) for pid in apps)
        for _ in range(300):
            if await page.evaluate("document.body.classList.contains('-closed')"):
                break
            await asyncio.sleep(0.1)
        assert "has ended" in await page.evaluate("document.getElementById('said').textContent")


@in_browser
async def test_apps_end_when_the_server_is_killed(engine: RunningEngine, tmp_path: Path) -> None:
    async with served(engine, tmp_path) as (process, address), opened_page(tmp_path / "profile") as page:
        await page.go(address)
        await page.shows("No pods in default")
        apps = children_of(process.pid)
        process.kill()
        await process.wait()
        await ended(apps)


async def test_sigint_ends_it_well_and_its_token_outlives_it(engine: RunningEngine, tmp_path: Path) -> None:
    file = tmp_path / "token"
    tokens: list[str] = []
    for _ in range(2):
        async with served(engine, tmp_path, "--token-file", str(file)) as (process, address):
            tokens.append(address.split("token=")[1])
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(60):
                assert await process.wait() == 0
    assert tokens[0] == tokens[1] == file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--host", "0.0.0.0"], "--tls-cert and --tls-key, or --insecure-http", id="open to others"),
        pytest.param(["--tls-cert", __file__], "--tls-cert and --tls-key belong together", id="half of TLS"),
        pytest.param(["--kubeconfig", "/nowhere"], "/nowhere", id="no such kubeconfig"),
        pytest.param(["--token-file", __file__, "--kubeconfig", "/nowhere"], "chmod 600", id="a token for all to read"),
    ],
)
def test_what_would_not_be_safe_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    answer = subprocess.run(
        command("--data-dir", str(tmp_path), "serve", *words), capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode != 0
    assert said in answer.stderr
    assert "http" not in answer.stdout
