"""Machines from the app: a form, a command in a process of its own, its steps, its question, its end."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from apimachinery.objects.resources import NODES
from tests.tui.driving import Start, said, screen_text, settled
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_operating import press
from tui.document import plain
from tui.kinds.machinestats import reading
from tui.screens.machineusage import usage_lines
from tui.widgets.joindialog import JoinAnswer, join_words

COMMAND = """
import json, sys
say = lambda **line: print(json.dumps(line), flush=True)
words = sys.argv[1:]
print(words, file=open({log!r}, "a"))
if words[1] == "check":
    print(json.dumps([{{"level": "warn", "check": "swap", "finding": "swap is on", "fix": "swapoff -a"}}]))
    sys.exit(1)
if "--password-stdin" in words:
    open({log!r} + ".password", "w").write(sys.stdin.readline())
say(type="step", machine="m", step="connect", title="Connect", happening="started")
say(type="hostKey", address="m:22", algorithm="ssh-ed25519", fingerprint="SHA256:abc")
if sys.stdin.readline().strip() != "yes":
    say(type="step", machine="m", step="connect", title="Connect", happening="failed", seconds=1.0)
    print("Error: m: m:22 offers an unknown host key; it was not confirmed", file=sys.stderr)
    sys.exit(1)
say(type="step", machine="m", step="connect", title="Connect", happening="done", seconds=0.4)
say(type="step", machine="m", step="runtime", title="Install the runtime", happening="skipped")
if words[1] == "upgrade":
    say(type="step", machine="m", step="agent", title="Bring the agent", happening="started")
    import time; time.sleep(600)
say(type="end", machine="m", message="node m is ready", well=True)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "words"


@pytest.fixture
def working(start: Start, log: Path) -> Any:
    command = (sys.executable, "-c", COMMAND.format(log=str(log)))

    @asynccontextmanager
    async def started(**options: Any) -> AsyncIterator[Pilot[Any]]:
        async with start(size=(110, 34), resource=NODES, machine_command=command, **options) as pilot:
            yield pilot

    return started


async def until(pilot: Pilot[Any], text: str) -> str:
    for _ in range(200):
        if text in said(pilot):
            return said(pilot)
        await pilot.pause(0.05)
    raise AssertionError(f"{text!r} not on the screen:\n{screen_text(pilot)}")


def told(log: Path) -> str:
    """The words that the command was started with, so far."""
    return log.read_text() if log.exists() else ""


async def fill(pilot: Pilot[Any], **fields: str) -> None:
    for name, value in fields.items():
        pilot.app.screen.query_one(f"#{name}", Input).value = value
    await press(pilot, "enter")


async def test_a_machine_is_joined_by_the_form_and_its_steps_are_seen(working: Any, log: Path) -> None:
    async with working() as pilot:
        await press(pilot, "colon", *"join", "enter")
        await fill(pilot, host="10.0.0.7", user="pi", port="2222", password="hunter2", labels="disk=ssd")
        text = await until(pilot, "Is that the machine?")
        assert "SHA256:abc" in text
        await press(pilot, "right", "enter")
        text = await until(pilot, "node m is ready")
        assert "✓ Connect 0.4 s" in text
        assert "Install the runtime already done" in text
        await press(pilot, "escape")
        assert "m1" in screen_text(pilot)
    words = told(log)
    assert "'add', 'pi@10.0.0.7:2222', '--label', 'disk=ssd', '--password-stdin', '--output', 'json'" in words
    assert "hunter2" not in words
    assert told(log.with_name("words.password")) == "hunter2\n"


async def test_a_host_key_that_is_not_confirmed_ends_the_work_with_its_reason(working: Any) -> None:
    async with working() as pilot:
        await press(pilot, "colon", *"join", "enter")
        await fill(pilot, host="10.0.0.7")
        await until(pilot, "Is that the machine?")
        await press(pilot, "escape")
        text = await until(pilot, "Join 10.0.0.7: failed")
        assert "it was not confirmed" in text
        assert "✗ Connect" in text


async def test_an_upgrade_can_be_stopped_and_leaves_no_process(working: Any, log: Path) -> None:
    async with working() as pilot:
        await press(pilot, "m")
        await press(pilot, *"upgrade", "enter")
        await press(pilot, "enter")
        await until(pilot, "Is that the machine?")
        await press(pilot, "right", "enter")
        await until(pilot, "Bring the agent")
        await press(pilot, "escape")
        assert "It still goes on" in said(pilot)
        await press(pilot, "ctrl+d")
        assert "stopped; doing it again goes on from here" in said(pilot)
        await press(pilot, "escape")
        assert "'upgrade', 'm1'" in told(log)


async def test_a_check_shows_what_was_found_and_what_helps(working: Any) -> None:
    async with working() as pilot:
        await press(pilot, "m", *"check", "enter")
        text = await until(pilot, "swap is on")
        assert "swapoff -a" in text


async def test_removing_asks_first_with_the_cursor_on_no(working: Any, log: Path) -> None:
    async with working() as pilot:
        await press(pilot, "m", *"remove", "enter")
        assert "Remove m1?" in screen_text(pilot)
        await press(pilot, "enter")
        assert told(log) == ""


async def test_only_the_local_engines_machines_can_be_worked_on(start: Start) -> None:
    async with start(size=(110, 34), resource=NODES) as pilot:
        await press(pilot, "m")
        text = screen_text(pilot)
        assert "What it uses, live" in text
        assert "Remove" not in text
        await press(pilot, "escape", "colon", *"join", "enter")
        assert "this is another one" in said(pilot)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param({}, "Host: the name or address", id="no-host"),
        pytest.param({"host": "pi@x"}, "Host: without user", id="user-in-host"),
        pytest.param({"host": "-oProxyCommand=x"}, "cannot begin with a dash", id="option-as-host"),
        pytest.param({"host": "x", "port": "99999"}, "Port: 99999 is not between", id="port"),
        pytest.param({"host": "x", "key": "/nope/key"}, "there is no file /nope/key", id="key"),
        pytest.param({"host": "x", "labels": "a=b, c"}, "c is not KEY=VALUE", id="label"),
    ],
)
def test_the_form_names_the_field_that_is_wrong(wrong: dict[str, str], words: str) -> None:
    fields = dict.fromkeys(("host", "user", "port", "key", "password", "jump", "name", "labels"), "")
    answer = join_words(fields | wrong)
    assert isinstance(answer, str)
    assert words in answer


def test_an_ipv6_address_is_put_in_brackets_and_the_password_in_no_repr() -> None:
    fields = dict.fromkeys(("host", "user", "port", "key", "password", "jump", "name", "labels"), "")
    answer = join_words(fields | {"host": "fd00::7", "port": "22", "password": "hunter2"})
    assert isinstance(answer, JoinAnswer)
    assert answer.machine == "[fd00::7]:22"
    assert "hunter2" not in repr(answer)


def test_a_summary_becomes_graphs_rates_and_shares() -> None:
    node = {"status": {"capacity": {"cpu": "4", "memory": "8Gi"}}}

    def summary(received: int) -> dict[str, Any]:
        return {"node": {
            "cpu": {"usageNanoCores": 1_000_000_000}, "memory": {"workingSetBytes": 2**31},
            "fs": {"capacityBytes": 100 * 2**30, "availableBytes": 5 * 2**30},
            "network": {"interfaces": [{"rxBytes": received, "txBytes": 0}, {"rxBytes": 0, "txBytes": received}]},
            "temperatures": [{"name": "cpu", "celsius": 61.5, "critical": 110.0}],
            "throttling": {"now": ["under-voltage"], "sinceBoot": ["under-voltage"]},
        }}  # fmt: skip

    first = reading(summary(1000), node, 10.0, None)
    assert first.received is None
    second = reading(summary(3048), node, 12.0, first)
    assert (second.received, second.sent) == (1024.0, 1024.0)
    text = "\n".join(plain(line) for line in usage_lines([first, second], 40))
    assert "25%  1000m of 4000m" in text
    assert "2.0GiB of 8.0GiB" in text
    assert "1.0KiB/s in" in text
    assert "Disk  95%" in text
    assert "62 °C  of 110 °C" in text
    assert "Slowed down  under-voltage" in text
    restarted = reading(summary(10), node, 14.0, second)
    assert restarted.received is None, "a counter that began anew is no negative rate"


async def test_where_its_agent_cannot_be_asked_the_metrics_of_the_cluster_are_drawn(
    start: Start, cluster: MemoryCluster
) -> None:
    cluster.measure("m1", "250m", "1Gi")
    async with start(size=(110, 34), resource=NODES) as pilot:
        await press(pilot, "m", "enter")
        text = screen_text(pilot)
        assert "250m" in text
        assert "1.0GiB" in text
        assert "Not told here: disk, network, temperature." in text


async def test_a_machine_that_tells_nothing_says_so(start: Start) -> None:
    async with start(size=(110, 34), resource=NODES) as pilot:
        await press(pilot, "m", "enter")
        await settled(pilot)
        assert "does not tell what it uses" in screen_text(pilot)
