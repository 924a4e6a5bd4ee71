import base64
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from apimachinery.aio.clock import FakeClock
from apimachinery.client import kubeconfig
from apimachinery.client.errors import ConnectionFailed, KubeconfigError


def write(file: Path, **changes: object) -> Path:
    content = {
        "current-context": "home",
        "contexts": [{"name": "home", "context": {"cluster": "c", "user": "u", "namespace": "apps"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t0"}}],
    } | changes
    file.write_text(yaml.safe_dump(content))
    return file


async def test_context_gives_server_namespace_and_token(tmp_path: Path):
    access = kubeconfig.load(write(tmp_path / "config"))
    assert (access.server, access.namespace, access.context) == ("http://127.0.0.1:1", "apps", "home")
    assert await access.auth_headers() == {"Authorization": "Bearer t0"}


def test_several_files_are_merged_and_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = write(tmp_path / "a", clusters=[{"name": "c", "cluster": {"server": "http://first"}}])
    second = write(
        tmp_path / "b",
        clusters=[
            {"name": "c", "cluster": {"server": "http://second"}},
            {"name": "d", "cluster": {"server": "http://d"}},
        ],
        contexts=[{"name": "other", "context": {"cluster": "d", "user": "u"}}],
    )
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(first), str(tmp_path / "missing"), str(second)]))
    assert kubeconfig.load().server == "http://first"
    assert kubeconfig.load(context="other").server == "http://d"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"current-context": ""}, "no current-context is set"),
        ({"current-context": "gone"}, 'context "gone" does not exist'),
        ({"clusters": []}, 'cluster "c" does not exist'),
        ({"clusters": [{"name": "c", "cluster": {}}]}, 'cluster "c" has no server'),
        ({"clusters": [{"cluster": {}}]}, "clusters: an entry has no name"),
        ({"clusters": [{"name": "c", "cluster": {"server": "https://x", "certificate-authority-data": "*"}}]},
         "certificate-authority-data is not valid base64"),
        ({"clusters": [{"name": "c", "cluster": {"server": "https://x", "certificate-authority-data": base64.b64encode(b"no").decode()}}]},
         "certificate or key cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict, message: str):
    with pytest.raises(KubeconfigError, match=message):
        kubeconfig.load(write(tmp_path / "config", **changes))


def test_missing_or_broken_file_is_named(tmp_path: Path):
    with pytest.raises(KubeconfigError, match="nowhere: No such file"):
        kubeconfig.load(tmp_path / "nowhere")
    broken = tmp_path / "broken"
    broken.write_text("a: [")
    with pytest.raises(KubeconfigError, match="broken: not valid YAML"):
        kubeconfig.load(broken)


def plugin(folder: Path, script: str) -> dict[str, object]:
    program = folder / "plugin"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"command": "./plugin", "apiVersion": "client.authentication.k8s.io/v1"}


async def test_exec_plugin_is_asked_again_before_its_token_expires(tmp_path: Path):
    spec = plugin(
        tmp_path,
        'n=$(cat count 2>/dev/null || echo 0); echo $((n+1)) > count; echo "{\\"status\\":{\\"token\\":\\"t$n\\",'
        '\\"expirationTimestamp\\":\\"2026-01-01T00:10:00Z\\"}}"',
    )
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    ask = kubeconfig.ExecPlugin(
        {**spec, "command": "sh", "args": ["-c", f"cd {tmp_path} && ./plugin"]}, folder=tmp_path, clock=clock
    )
    assert await ask() == {"Authorization": "Bearer t0"}
    assert await ask() == {"Authorization": "Bearer t0"}
    await clock.advance(595)
    assert await ask() == {"Authorization": "Bearer t1"}


async def test_failing_exec_plugin_says_why(tmp_path: Path):
    ask = kubeconfig.ExecPlugin(plugin(tmp_path, "echo no login >&2; exit 1"), folder=tmp_path)
    with pytest.raises(ConnectionFailed, match="failed: no login"):
        await ask()
