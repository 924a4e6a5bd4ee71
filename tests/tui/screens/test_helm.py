"""Helm's releases as it leaves them in Secrets: listed, read, compared, rolled back by helm itself."""

import base64
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.tui.driving import Start, said, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_machines import told, until
from tests.tui.screens.test_operating import press
from tui.kinds.helm import all_values, decode, rollback_words


def release(version: int, *, name: str = "shop", status: str = "superseded", replicas: int = 1) -> dict[str, Any]:
    told = {
        "name": name, "namespace": "default", "version": version,
        "info": {"status": status, "description": f"step {version}", "notes": "Open http://shop",
                 "last_deployed": "2025-12-31T23:00:00.123456789Z"},
        "chart": {"metadata": {"name": "shop", "version": f"1.{version}.0", "appVersion": "9"},
                  "values": {"replicas": 1, "image": {"name": "shop", "tag": "9"}}},
        "config": {"replicas": replicas}, "manifest": f"kind: Deployment\nspec:\n  replicas: {replicas}\n",
    }  # fmt: skip
    packed = base64.b64encode(gzip.compress(json.dumps(told).encode()))
    return {
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v{version}", "namespace": "default",
            "labels": {"owner": "helm", "name": name, "version": str(version), "status": status},
        },
        "type": "helm.sh/release.v1", "data": {"release": base64.b64encode(packed).decode()},
    }  # fmt: skip


@pytest.fixture
def released(cluster: MemoryCluster) -> MemoryCluster:
    cluster.put("secrets", release(9))
    cluster.put("secrets", release(10, status="deployed", replicas=3))
    return cluster


async def test_releases_are_listed_at_their_latest_revision_and_followed(start: Start, released: MemoryCluster) -> None:
    async with start(size=(120, 30)) as pilot:
        await press(pilot, "colon", *"helm", "enter")
        line = next(line for line in screen_text(pilot).splitlines() if "shop-1.10.0" in line)
        assert line.split()[:5] == ["shop", "10", "deployed", "shop-1.10.0", "9"]
        assert "1 release" in screen_text(pilot)
        released.put("secrets", release(11, status="failed"))
        await settled(pilot)
        assert "shop-1.11.0" in screen_text(pilot)
        released.drop("secrets", "default/sh.helm.release.v1.shop.v11")
        await settled(pilot)
        assert "shop-1.10.0" in screen_text(pilot)


async def test_values_manifest_and_notes_are_shown(start: Start, released: MemoryCluster) -> None:
    async with start(size=(120, 30)) as pilot:
        await press(pilot, "colon", *"hm", "enter", "v")
        assert "replicas: 3" in screen_text(pilot)
        assert "image" not in screen_text(pilot)
        await press(pilot, "escape", "V")
        assert "tag: '9'" in screen_text(pilot)
        await press(pilot, "escape", "y")
        assert "kind: Deployment" in screen_text(pilot)
        await press(pilot, "escape", "d")
        assert "Open http://shop" in screen_text(pilot)


async def test_the_history_compares_each_revision_with_the_one_before(start: Start, released: MemoryCluster) -> None:
    async with start(size=(120, 30)) as pilot:
        await press(pilot, "colon", *"helm", "enter", "enter")
        rows = [line.split()[0] for line in screen_text(pilot).splitlines() if "shop-1." in line]
        assert rows == ["10", "9"]
        await press(pilot, "enter")
        text = screen_text(pilot)
        assert "- replicas: 1" in text
        assert "+ replicas: 3" in text
        assert "+ chart: shop-1.10.0" in text


async def test_rolling_back_is_done_by_helm_with_its_words_shown_first(
    start: Start, released: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, log = tmp_path / "bin" / "helm", tmp_path / "words"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" > {log}\necho Rollback was a success\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    async with start(size=(120, 30)) as pilot:
        await press(pilot, "colon", *"helm", "enter", "enter", "j", "U")
        assert "helm rollback shop 9 --namespace default --kube-context lab" in said(pilot)
        assert told(log) == ""
        await press(pilot, "right", "enter")
        await until(pilot, "Rollback was a success")
    assert told(log) == "rollback shop 9 --namespace default --kube-context lab\n"


async def test_without_helm_it_is_not_offered(
    start: Start, released: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with start(size=(120, 30)) as pilot:
        await press(pilot, "colon", *"helm", "enter", "enter")
        assert "roll back" not in screen_text(pilot)
        await press(pilot, "U")
        assert "which is not on this machine" in said(pilot)


async def test_a_secret_that_is_no_release_says_so_and_spoils_nothing(start: Start, released: MemoryCluster) -> None:
    broken = release(1, name="broken", status="deployed")
    broken["data"]["release"] = "AAAA"
    released.put("secrets", broken)
    async with start(size=(120, 30)) as pilot:
        await press(pilot, "colon", *"helm", "enter")
        assert "shop-1.10.0" in screen_text(pilot)
        await press(pilot, "g", "v")
        assert "holds no release that can be read" in said(pilot)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.kinds.helm.MOST", 100)
    with pytest.raises(ValueError, match="larger than any"):
        decode(release(1))


def test_values_merge_as_helm_merges_them() -> None:
    one = decode(release(1, replicas=5))
    assert all_values(one) == {"replicas": 5, "image": {"name": "shop", "tag": "9"}}
    assert rollback_words(one, 1, "lab")[:4] == ["helm", "rollback", "shop", "1"]
