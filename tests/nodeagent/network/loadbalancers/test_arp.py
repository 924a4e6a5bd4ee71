"""ARP packets, against the bytes of the standard and against a real pair of interfaces."""

from __future__ import annotations

from nodeagent.network.loadbalancers.arp import BROADCAST, REPLY, REQUEST, Arp, announcements, answer, frame, parse

MINE, THEIRS = bytes.fromhex("02aabbccddee"), bytes.fromhex("020102030405")
QUESTION = bytes.fromhex(
    "ffffffffffff 020102030405 0806 0001 0800 06 04 0001 020102030405 c0000205 000000000000 c0000232"
)


def test_a_question_is_read() -> None:
    asked = parse(QUESTION + bytes(18))  # the shortest Ethernet frame is longer than the packet
    assert asked == Arp(
        operation=REQUEST, sender_mac=THEIRS, sender="192.0.2.5", target_mac=bytes(6), target="192.0.2.50"
    )
    assert asked is not None
    assert frame(asked, BROADCAST) == QUESTION
    assert asked.claims == "192.0.2.5"


def test_the_answer_goes_to_who_asked() -> None:
    asked = parse(QUESTION)
    assert asked is not None
    sent = answer(asked, MINE)
    assert sent[:6] == THEIRS
    assert parse(sent) == Arp(
        operation=REPLY, sender_mac=MINE, sender="192.0.2.50", target_mac=THEIRS, target="192.0.2.5"
    )


def test_an_announcement_tells_everybody() -> None:
    sent = announcements("192.0.2.50", MINE)
    read = [parse(data) for data in sent]
    assert {data[:6] for data in sent} == {BROADCAST}
    assert [one.operation for one in read if one is not None] == [REQUEST, REPLY]
    assert {(one.sender, one.target, one.sender_mac) for one in read if one is not None} == {
        ("192.0.2.50", "192.0.2.50", MINE)
    }


def test_a_probe_claims_nothing() -> None:
    probe = Arp(operation=REQUEST, sender_mac=THEIRS, sender="0.0.0.0", target_mac=bytes(6), target="192.0.2.50")
    assert probe.claims == ""


def test_anything_else_is_nothing() -> None:
    assert parse(b"") is None
    assert parse(QUESTION[:-1]) is None
    assert parse(QUESTION.replace(bytes.fromhex("0806"), bytes.fromhex("0800"))) is None
