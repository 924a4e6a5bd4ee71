"""Work on pods besides looking: files, debug containers, attach, clearing ended pods away."""

import asyncio
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.widgets import Input, RadioButton

from apimachinery.client.client import Client
from apimachinery.client.errors import ConnectionFailed
from apimachinery.client.transport import WebSocket
from tests.tui.driving import Start, said, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_machines import until
from tests.tui.screens.test_operating import press
from tui.feeds.filecopy import Place, download, upload
from tui.kinds.debugging import container_trouble, node_shell_pod

PLACE = Place("default", "web-7c5d-4xk2p", "web")
OK = msgspec.json.encode({"status": "Success"})


def failure(code: int, message: str = "") -> bytes:
    return msgspec.json.encode({"status": "Failure", "message": message, "details": {
        "causes": [{"reason": "ExitCode", "message": str(code)}]}})  # fmt: skip


class RemoteTar:
    """A container's tar: says what it is given to say, keeps what it is sent."""

    protocol = "v5.channel.k8s.io"

    def __init__(self, output: bytes = b"", *, error: bytes = b"", status: bytes = OK, waits: bool = False) -> None:
        self.received = b""
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._end = [b"\x01" + output[at : at + 1000] for at in range(0, len(output), 1000)]
        self._end += [b"\x02" + error] if error else []
        self._end += [b"\x03" + status] if status else []
        if not waits:
            self._finish()

    def _finish(self) -> None:
        for message in self._end:
            self._messages.put_nowait(message)
        self._messages.put_nowait(None)

    async def send(self, message: bytes) -> None:
        if message[:2] == b"\xff\x00":
            self._finish()
        elif message[0] == 0:
            self.received += message[1:]

    async def receive(self) -> bytes | None:
        return await self._messages.get()

    async def close(self) -> None: ...


def put(cluster: MemoryCluster, remote: RemoteTar) -> list[list[str]]:
    """Makes the pod answer with it; the commands that were run are in the list."""
    commands: list[list[str]] = []

    def door(stream: str, query: list[tuple[str, str]]) -> WebSocket:
        assert stream == "exec"
        assert ("container", "web") in query
        commands.append([value for name, value in query if name == "command"])
        return remote

    cluster.doors[f"{PLACE.namespace}/{PLACE.pod}"] = door
    return commands


def archive(files: dict[str, str]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return held.getvalue()


async def test_a_folder_comes_out_into_a_folder_and_a_file_under_another_name(
    cluster: MemoryCluster, tmp_path: Path
) -> None:
    commands = put(cluster, RemoteTar(archive({"logs/a.log": "ahoy", "logs/deep/b.log": "b" * 5000})))
    sizes: list[int] = []
    count = await download(Client(cluster), PLACE, "/var/logs", tmp_path, progress=sizes.append)
    assert count == 2
    assert (tmp_path / "logs" / "deep" / "b.log").read_text() == "b" * 5000
    assert commands == [["tar", "cf", "-", "-C", "/var", "--", "logs"]]
    assert sizes == sorted(sizes)
    put(cluster, RemoteTar(archive({"a.log": "ahoy"})))
    await download(Client(cluster), PLACE, "/var/logs/a.log", tmp_path / "kept.txt", progress=lambda _: None)
    assert (tmp_path / "kept.txt").read_text() == "ahoy"


async def test_no_archive_writes_outside_the_folder(cluster: MemoryCluster, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    put(cluster, RemoteTar(archive({"../evil": "x"})))
    with pytest.raises(ConnectionFailed):
        await download(Client(cluster), PLACE, "/data", inside, progress=lambda _: None)
    assert not (tmp_path / "evil").exists()


async def test_files_go_in_under_the_name_that_was_asked_for(cluster: MemoryCluster, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>ahoy</h1>")
    for remote_path, folder, name in (("/srv/www", "/srv", "www"), ("/srv/", "/srv/", "site")):
        remote = RemoteTar(waits=True)
        commands = put(cluster, remote)
        assert await upload(Client(cluster), PLACE, tmp_path / "site", remote_path, progress=lambda _: None) == 1
        assert commands == [["tar", "xmf", "-", "-C", folder]]
        with tarfile.open(fileobj=io.BytesIO(remote.received)) as tar:
            assert tar.getnames() == [name, f"{name}/index.html"]
            assert {member.uid for member in tar} == {0}


@pytest.mark.parametrize(
    ("remote", "words"),
    [
        pytest.param(RemoteTar(error=b"tar: /nope: No such file", status=failure(1)), "No such file", id="missing"),
        pytest.param(RemoteTar(error=b'exec: "tar": not found', status=failure(127)), "has no tar", id="no-tar"),
        pytest.param(RemoteTar(archive({"a": "x" * 3000})[:1500], status=b""), "broke before all", id="cut-off"),
    ],
)
async def test_what_goes_wrong_there_is_said_here(
    cluster: MemoryCluster, tmp_path: Path, remote: RemoteTar, words: str
) -> None:
    put(cluster, remote)
    with pytest.raises(ConnectionFailed, match=words):
        await download(Client(cluster), PLACE, "/nope", tmp_path, progress=lambda _: None)
    assert not any(entry.is_file() for entry in os.scandir(tmp_path))


async def test_t_transfers_while_the_app_goes_on(start: Start, cluster: MemoryCluster, tmp_path: Path) -> None:
    put(cluster, RemoteTar(archive({"page.html": "ahoy"})))
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "slash", *"4xk2p", "enter", "t")
        assert "Transfer files, web-7c5d-4xk2p" in screen_text(pilot)
        await press(pilot, "enter")
        assert "There: a path in the container" in screen_text(pilot)
        pilot.app.screen.query_one("#remote", Input).value = "/srv/page.html"
        pilot.app.screen.query_one("#local", Input).value = str(tmp_path / "none" / "x")
        await press(pilot, "enter")
        assert "there is no folder" in said(pilot)
        pilot.app.screen.query_one("#local", Input).value = str(tmp_path)
        await press(pilot, "enter")
        await until(pilot, "1 file →")
        assert (tmp_path / "page.html").read_text() == "ahoy"


async def test_a_debug_container_is_put_beside_the_chosen_one(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "slash", *"4xk2p", "enter", "b")
        assert "Debug web-7c5d-4xk2p" in screen_text(pilot)
        await press(pilot, "enter")
        made: list[Any] = []
        for _ in range(50):
            made = cluster.get("pods", "default/web-7c5d-4xk2p")["spec"].get("ephemeralContainers") or []
            if made:
                break
            await settled(pilot)
        [container] = made
        assert container["image"] == "busybox:1.37"
        assert container["targetContainerName"] == "web"
        running = cluster.get("pods", "default/web-7c5d-4xk2p")
        running["status"]["ephemeralContainerStatuses"] = [
            {"name": container["name"], "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
        ]
        cluster.put("pods", running)
        await pilot.app.session.clock.advance(1.0)
        await until(pilot, "ErrImagePull: no such image")


async def test_attach_and_shells_need_a_terminal_and_say_so(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "slash", *"4xk2p", "enter", "a")
        assert "Attach to web: that needs a terminal." in said(pilot)


async def test_z_deletes_ended_pods_after_their_names_were_shown(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "z")
        assert "default/import-28x9f" in screen_text(pilot)
        await press(pilot, "right", "enter")
        assert ("pods", "default/import-28x9f") not in cluster.objects
        await press(pilot, "g", "z")
        assert "No pod has ended here." in said(pilot)


async def test_a_node_shell_pod_is_gone_after_it_even_when_it_never_ran(start: Start, cluster: MemoryCluster) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "colon", *"no", "enter", "s")
        assert "root on the machine" in said(pilot)
        assert not any(isinstance(one, RadioButton) for one in pilot.app.screen.query("*"))
        await press(pilot, "enter")
        shells = [key for key in cluster.objects if "node-shell-" in key[1]]
        assert len(shells) == 1
        pod = cluster.get(*shells[0])
        assert pod["spec"]["nodeName"] == "m1"
        pod["status"] = {
            "phase": "Pending",
            "containerStatuses": [
                {
                    "name": "shell",
                    "ready": False,
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "busy"}},
                }
            ],
        }
        cluster.put("pods", pod)
        await pilot.app.session.clock.advance(1.0)
        await until(pilot, "ImagePullBackOff: busy")
        await settled(pilot)
        assert not [key for key in cluster.objects if "node-shell-" in key[1]]


def test_the_node_shell_pod_may_go_anywhere_and_ends_by_itself() -> None:
    spec = node_shell_pod("m1", "x")["spec"]
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param({"running": {}}, (True, ""), id="running"),
        pytest.param({"waiting": {"reason": "ContainerCreating"}}, (False, ""), id="creating"),
        pytest.param({"waiting": {"reason": "ErrImagePull", "message": "m"}}, (False, "ErrImagePull: m"), id="pull"),
        pytest.param({"terminated": {"reason": "Error"}}, (False, "Error"), id="ended"),
    ],
)
def test_why_a_container_does_not_run(state: dict[str, Any], expected: tuple[bool, str]) -> None:
    pod = {"status": {"containerStatuses": [{"name": "c", "state": state}]}}
    assert container_trouble(pod, "containerStatuses", "c") == expected
