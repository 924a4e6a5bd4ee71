from __future__ import annotations

import pytest

from engine.fleet.nodes import ADDRESS, HOST_KEY, JUMP, USER, annotations_for, way_of
from engine.fleet.ssh.connection import Hop

MACHINE = Hop(host="10.0.0.5", port=2222, user="pi", host_key="ssh-ed25519 AAAA")
GATE = Hop(host="fd00::1", port=22, user="me", host_key="ssh-rsa BBBB")


@pytest.mark.parametrize("hops", [(MACHINE,), (GATE, MACHINE), (GATE, GATE, MACHINE)])
def test_annotations_tell_the_way_back_to_a_machine(hops: tuple[Hop, ...]) -> None:
    way = way_of(annotations_for(hops))
    assert way is not None
    assert way.hops == hops
    assert way.pins[MACHINE.address] == MACHINE.host_key


def test_annotations_hold_the_host_key_without_its_comment() -> None:
    machine = Hop(host="h", port=22, user="u", host_key="ssh-ed25519 AAAA root@h")
    assert annotations_for((machine,)) == {ADDRESS: "h:22", USER: "u", HOST_KEY: "ssh-ed25519 AAAA"}


def test_a_node_without_an_address_is_not_ours() -> None:
    assert way_of({"other": "x"}) is None


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({ADDRESS: "h:22"}, id="no-user"),
        pytest.param({ADDRESS: "h:22", USER: "u"}, id="no-host-key"),
        pytest.param({ADDRESS: "h:x", USER: "u", HOST_KEY: "k"}, id="bad-address"),
        pytest.param({ADDRESS: "h:22", USER: "u", HOST_KEY: "k", JUMP: "a@b:22"}, id="jump-without-key"),
    ],
)
def test_broken_annotations_are_refused_rather_than_followed(annotations: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"pilothouse.dev|is not"):
        way_of(annotations)
