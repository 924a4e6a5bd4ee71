from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from engine.fleet.errors import HostKey
from engine.fleet.nodes import NodeView
from engine.fleet.progress import StepEvent
from pilothouse.commands.node import node
from pilothouse.jsonprogress import JsonConfirm, JsonProgress
from pilothouse.nodetable import node_row
from pilothouse.progress import MachineProgress, plain_line


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["add"], 2, "Missing argument", id="no-machine"),
        pytest.param(["add", "a b"], 2, "'a b' is not [USER@]HOST[:PORT]", id="bad-target"),
        pytest.param(["add", "pi", "--label", "x"], 2, "'x' is not KEY=VALUE", id="bad-label"),
        pytest.param(["add", "pi", "--taint", "x:Never"], 2, "'x:Never' is not KEY[=VALUE]:NoSchedule", id="bad-taint"),
        pytest.param(["add", "pi", "--ignore", "x"], 2, "there is no check 'x' (there are arch,", id="bad-check"),
        pytest.param(["add", "pi", "--registry-mirror", "ftp://x"], 2, "'ftp://x' is not the address", id="bad-mirror"),
        pytest.param(["add", "a", "b", "--name", "n"], 2, "for one machine at a time", id="one-name-two-machines"),
        pytest.param(["add", "pi", "--jump", "a,,b"], 2, "'' is not [USER@]HOST[:PORT]", id="bad-jump"),
        pytest.param(["add", "pi"], 1, "no engine runs; start one with: pilothouse engine start", id="no-engine"),
        pytest.param(["list"], 1, "no engine runs", id="list-without-engine"),
        pytest.param(["remove", "pi"], 1, "no engine runs", id="remove-without-engine"),
        pytest.param(["wake", "pi"], 1, "not available yet", id="wake"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(node, arguments, obj=tmp_path)
    assert result.exit_code == code
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("ready", "unschedulable", "status"),
    [
        pytest.param("True", False, "Ready", id="ready"),
        pytest.param("False", False, "NotReady", id="not-ready"),
        pytest.param("Unknown", False, "Unknown", id="unknown"),
        pytest.param("True", True, "Ready,SchedulingDisabled", id="cordoned"),
    ],
)
def test_a_node_is_listed_with_kubectls_words(ready: str, unschedulable: bool, status: str) -> None:
    found = msgspec.convert(
        {
            "metadata": {
                "name": "pi4",
                "annotations": {"pilothouse.dev/ssh-address": "10.0.0.5:22", "pilothouse.dev/ssh-user": "pi"},
            },
            "spec": {"unschedulable": unschedulable},
            "status": {
                "conditions": [{"type": "Ready", "status": ready}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.5"}],
            },
        },
        NodeView,
    )
    row = node_row(found)
    assert (row["name"], row["status"], row["address"], row["ssh"]) == ("pi4", status, "10.0.0.5", "pi@10.0.0.5:22")


def event(happening: str, **more: object) -> StepEvent:
    told = {"machine": "pi4", "step": "kernel", "title": "Set kernel", "happening": happening, "seconds": 1.25, **more}
    return StepEvent(**told)  # type: ignore[arg-type]


def test_progress_without_a_terminal_is_one_line_a_step() -> None:
    out = io.StringIO()
    progress = MachineProgress(["pi4"], Console(file=out))
    with progress.shown():
        for happening in ("started", "done", "started", "skipped"):
            progress.tell(event(happening))
        progress.end("pi4", "node pi4 is ready", well=True)
    assert out.getvalue().splitlines() == ["pi4: Set kernel: done in 1.2 s", "pi4: Set kernel: already done"]


def test_a_failed_step_says_why() -> None:
    assert (
        plain_line(event("failed", message="no [space] left")) == "pi4: Set kernel: failed after 1.2 s: no [space] left"
    )


def test_progress_on_a_terminal_shows_each_machine_and_how_it_ended() -> None:
    out = io.StringIO()
    progress = MachineProgress(["pi4", "pi5"], Console(file=out, force_terminal=True, width=80))
    with progress.shown():
        progress.tell(event("started"))
        progress.end("pi4", "node pi4 is ready", well=True)
        progress.end("pi5", "no route to host", well=False)
    last = out.getvalue()
    assert "node pi4 is ready" in last
    assert "no route to host" in last


def test_progress_for_programs_is_a_line_of_json_each() -> None:
    output = io.StringIO()
    progress = JsonProgress(output)
    progress.tell(StepEvent(machine="pi", step="agent", title="Start the agent", happening="done", seconds=1.5))
    progress.ask_about(HostKey(address="pi:22", algorithm="ssh-ed25519", fingerprint="SHA256:x", line="ssh-ed25519 A"))
    progress.end("pi", "node pi is ready", well=True)
    lines = [msgspec.json.decode(line) for line in output.getvalue().splitlines()]
    assert [line["type"] for line in lines] == ["step", "hostKey", "end"]
    assert lines[0] | {"message": ""} == {"type": "step", "machine": "pi", "step": "agent", "title": "Start the agent",
                                          "happening": "done", "seconds": 1.5, "message": ""}  # fmt: skip
    assert lines[1]["fingerprint"] == "SHA256:x"
    assert lines[2]["well"] is True


@pytest.mark.parametrize(("typed", "confirmed"), [("yes\n", True), ("no\n", False), ("", False)])
async def test_whoever_drives_the_command_confirms_a_host_key_by_a_line(
    typed: str, confirmed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    confirm = JsonConfirm(JsonProgress(io.StringIO()), yes=False)
    key = HostKey(address="pi:22", algorithm="ssh-ed25519", fingerprint="SHA256:x", line="ssh-ed25519 A")
    assert await confirm(key) is confirmed
