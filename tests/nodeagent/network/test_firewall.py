import pytest

from nodeagent.network.firewall import ForeignChain, closing, opening, strict_chains
from tests.nodeagent.network.objects import LAYOUT


def chain(**more: str) -> dict[str, str]:
    return {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"} | more


@pytest.mark.parametrize(
    ("found", "strict"),
    [
        pytest.param(chain(), True, id="docker's forward policy"),
        pytest.param(chain(family="inet", name="input", hook="input"), True, id="strict input"),
        pytest.param(chain(policy="accept"), False, id="accepts by default"),
        pytest.param(chain(family="ip6"), False, id="IPv6 only"),
        pytest.param(chain(table="pilothouse"), False, id="our own"),
        pytest.param(chain(hook="output"), False, id="another hook"),
    ],
)
def test_only_chains_that_drop_what_they_do_not_know_are_opened(found: dict[str, str], strict: bool) -> None:
    assert bool(strict_chains([found])) == strict


FORWARD = ForeignChain(family="ip", table="filter", name="FORWARD", hook="forward")
INPUT = ForeignChain(family="inet", table="fw", name="input", hook="input")


def test_forwarding_is_opened_for_pods_both_ways_and_input_for_dns_and_api_alone() -> None:
    assert opening(FORWARD, LAYOUT) == (
        'insert rule ip filter FORWARD ip saddr 10.42.0.0/16 accept comment "pilothouse"\n'
        'insert rule ip filter FORWARD ip daddr 10.42.0.0/16 accept comment "pilothouse"\n'
    )
    assert opening(INPUT, LAYOUT) == (
        'insert rule inet fw input iifname "ph0" ip daddr 10.42.1.1 accept comment "pilothouse"\n'
    )


def test_openings_that_are_there_stay_and_halves_are_made_whole() -> None:
    both = ForeignChain(family="ip", table="filter", name="FORWARD", hook="forward", ours=(4, 5))
    assert opening(both, LAYOUT) == ""
    half = ForeignChain(family="ip", table="filter", name="FORWARD", hook="forward", ours=(4,))
    assert opening(half, LAYOUT).startswith("delete rule ip filter FORWARD handle 4\ninsert rule")
    assert closing(both) == "delete rule ip filter FORWARD handle 4\ndelete rule ip filter FORWARD handle 5\n"
