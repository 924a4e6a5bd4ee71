from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from engine.fleet.nodes import NodeView
from engine.fleet.progress import StepEvent
from pilothouse.commands.node import node
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
