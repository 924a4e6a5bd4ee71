"""Port-forwards by keys: asked for on a row, listed, stopped, started anew."""

import asyncio

import pytest
from textual.widgets import Input

from apimachinery.objects.resources import SERVICES
from tests.tui.demo import pod
from tests.tui.driving import Start, screen_text, settled
from tests.tui.feeds.test_forward import opens, say
from tests.tui.memory_cluster import MemoryCluster
from tests.tui.screens.test_operating import press
from tui.feeds.forward import ForwardPhase
from tui.forwarding import Offer, local_for, pod_offers, port_number, service_offers


async def test_f_on_a_service_opens_a_port_that_answers_and_the_list_shows_it(
    start: Start, cluster: MemoryCluster
) -> None:
    opens(cluster, "web-7c5d-4xk2p")
    async with start(size=(100, 30), resource=SERVICES) as pilot:
        await press(pilot, "F")
        assert "Forward a local port to service/web in default" in screen_text(pilot)
        pilot.app.screen.query_one("#local", Input).value = "0"
        await press(pilot, "enter")
        [made] = pilot.app.forwards
        async with asyncio.timeout(5):
            while made.phase is not ForwardPhase.READY:
                await settled(pilot)
        assert await say(made, "ahoy") == "web-7c5d-4xk2p: ahoy"
        await press(pilot, "f")
        await pilot.pause(0.6)
        text = screen_text(pilot)
        assert f"127.0.0.1:{made.local}" in text
        assert "service/web" in text
        assert "ready" in text
        await press(pilot, "r")
        [again] = pilot.app.forwards
        assert again is not made
        assert again.spec.local == made.local
        await pilot.pause(0.6)
        await press(pilot, "g", "ctrl+d")
        assert pilot.app.forwards == []
        assert "No port-forwards" in screen_text(pilot)
        await settled(pilot)
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", made.local)


async def test_the_dialog_names_what_is_wrong_and_stays(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "j", "F")
        local = pilot.app.screen.query_one("#local", Input)
        assert local.value == "8080"
        for wrong, said in (
            ("70000", "70000 is not a port"),
            ("80,81", "1 wanted, 2 given"),
            ("", "1 wanted, 0 given"),
        ):
            local.value = wrong
            await press(pilot, "enter")
            assert said in screen_text(pilot)
        pilot.app.screen.query_one("#address", Input).value = "elsewhere"
        local.value = "8080"
        await press(pilot, "enter")
        assert '"elsewhere" is no address of this machine' in screen_text(pilot)
        assert pilot.app.forwards == []


async def test_two_ports_are_forwarded_at_once_and_a_taken_one_is_refused(start: Start) -> None:
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "j", "F")
        pilot.app.screen.query_one("#port", Input).value = "80,9090"
        await settled(pilot)
        assert pilot.app.screen.query_one("#local", Input).value == "8080,9090"
        pilot.app.screen.query_one("#local", Input).value = "38123,0"
        await press(pilot, "enter")
        assert [(one.spec.port, one.spec.local) for one in pilot.app.forwards] == [("80", 38123), ("9090", 0)]
        await press(pilot, "F")
        pilot.app.screen.query_one("#local", Input).value = "38123"
        await press(pilot, "enter")
        assert "http://127.0.0.1:38123 leads to" in screen_text(pilot)
        assert len(pilot.app.forwards) == 2


async def test_a_read_only_session_forwards_nothing(start: Start) -> None:
    async with start(readonly=True) as pilot:
        await press(pilot, "j", "F")
        assert "read-only" in screen_text(pilot)
        assert pilot.app.forwards == []


def test_offers_are_tcp_ports_and_low_ones_are_lifted() -> None:
    spec = {
        "initContainers": [
            {"name": "proxy", "restartPolicy": "Always", "ports": [{"containerPort": 15001}]},
            {"name": "setup", "ports": [{"containerPort": 1}]},
        ],
        "containers": [{"name": "dns", "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "name": "tcp"}]}],
    }  # fmt: skip
    assert pod_offers(spec) == [
        Offer(port="15001", words="proxy 15001", local=15001),
        Offer(port="53", words="dns 53 tcp", local=8053),
    ]
    assert local_for(443) == 8443


def test_a_service_offers_the_target_of_its_ports() -> None:
    service = {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "web"}, {"port": 53, "protocol": "UDP"}]}}
    assert service_offers(service) == [Offer(port="web", words="http 80 → web", local=8080)]


def test_a_port_by_name_is_unknown_where_no_container_has_it() -> None:
    assert port_number(pod("web-1"), "nope") is None
