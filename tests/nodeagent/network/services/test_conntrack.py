import pytest

from nodeagent.network.netlink import NESTED, attribute
from nodeagent.network.services.conntrack import Flow, parse, stale
from nodeagent.network.services.rules import Frontend

VIP, NODE = ("10.43.0.50", 53), ("192.168.1.10", 30053)
LIVE, GONE = ("10.42.1.2", 5353), ("10.42.1.3", 5353)
FRONTENDS = {
    Frontend(address="10.43.0.50", port=53): frozenset({LIVE}),
    Frontend(address="", port=30053): frozenset({LIVE}),
}


@pytest.mark.parametrize(
    ("flow", "is_stale"),
    [
        pytest.param(Flow(to=VIP, answered_by=LIVE), False, id="to an endpoint that is there"),
        pytest.param(Flow(to=VIP, answered_by=GONE), True, id="to one that went"),
        pytest.param(Flow(to=VIP, answered_by=VIP), True, id="never translated"),
        pytest.param(Flow(to=NODE, answered_by=GONE), True, id="by node port to one that went"),
        pytest.param(Flow(to=NODE, answered_by=LIVE), False, id="by node port to one that is there"),
        pytest.param(Flow(to=NODE, answered_by=NODE), False, id="somebody else's use of the number"),
        pytest.param(Flow(to=("8.8.8.8", 53), answered_by=("8.8.8.8", 53)), False, id="no frontend"),
    ],
)
def test_flows_that_lead_nowhere_any_more(flow: Flow, is_stale: bool) -> None:
    assert stale([flow], FRONTENDS) == ([flow] if is_stale else [])


def _tuple(kind: int, protocol: int, source: bytes, destination: bytes, ports: tuple[int, int]) -> bytes:
    numbers = attribute(1, bytes([protocol])) + attribute(2, ports[0].to_bytes(2, "big"))
    numbers += attribute(3, ports[1].to_bytes(2, "big"))
    addresses = attribute(1, source) + attribute(2, destination)
    return attribute(kind | NESTED, attribute(1 | NESTED, addresses) + attribute(2 | NESTED, numbers))


def test_a_kernel_message_becomes_a_flow() -> None:
    client, vip, pod = bytes([10, 42, 1, 9]), bytes([10, 43, 0, 50]), bytes([10, 42, 1, 2])
    original = _tuple(1, 17, client, vip, (4000, 53))
    flow = parse(original + _tuple(2, 17, pod, client, (5353, 4000)))
    assert flow == Flow(to=VIP, answered_by=LIVE, original=original)


def test_other_protocols_are_no_udp_flow() -> None:
    address = bytes(4)
    assert parse(_tuple(1, 6, address, address, (1, 2)) + _tuple(2, 6, address, address, (2, 1))) is None
