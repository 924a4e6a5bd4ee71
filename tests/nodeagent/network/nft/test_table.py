import pytest
from hypothesis import given

from nodeagent.network.nft.table import Chain, Container, Incompatible, Table, replacement, transaction
from nodeagent.network.services.rules import ruleset
from tests.nodeagent.network.nft_model import Model
from tests.nodeagent.network.objects import LAYOUT, endpoint, endpoints, service
from tests.nodeagent.network.strategies import clusters

T = "ip pilothouse"
Cluster = tuple[list, list]


@given(clusters(), clusters())
def test_a_transaction_turns_any_table_into_any_other(before: Cluster, after: Cluster) -> None:
    old, new = ruleset(*before, LAYOUT), ruleset(*after, LAYOUT)
    model = Model(old)
    try:
        model.apply(transaction(old, new, T))
    except Incompatible:
        model.apply(replacement(new, T))
    assert model.table() == new


@given(clusters())
def test_nothing_to_do_is_an_empty_transaction(cluster: Cluster) -> None:
    assert transaction(ruleset(*cluster, LAYOUT), ruleset(*cluster, LAYOUT), T) == ""


@given(clusters())
def test_a_replacement_does_not_depend_on_what_was_there(cluster: Cluster) -> None:
    wanted = ruleset(*cluster, LAYOUT)
    model = Model(Table(chains={"foreign": Chain.of("accept")}, elements={("x", "1"): ""}))
    model.apply(replacement(wanted, T))
    assert model.table() == wanted


def test_one_more_endpoint_changes_one_rule() -> None:
    one = ruleset([service()], [endpoints(endpoint("10.42.1.2"))], LAYOUT)
    two = ruleset([service()], [endpoints(endpoint("10.42.1.2"), endpoint("10.42.2.2", "m2"))], LAYOUT)
    assert transaction(one, two, T).splitlines() == [
        "flush chain ip pilothouse svc/default/web/tcp/80",
        "add rule ip pilothouse svc/default/web/tcp/80 meta l4proto tcp dnat to numgen random mod 2 map"
        ' { 0 : 10.42.1.2 . 8080, 1 : 10.42.2.2 . 8080 } comment "a46a3b08"',
    ]


def test_what_somebody_else_put_into_our_table_goes() -> None:
    ours = ruleset([], [], LAYOUT)
    altered = ruleset([], [], LAYOUT)
    altered.chains["prerouting"] = Chain(
        (*altered.chains["prerouting"].digests, "foreign"), ours.chains["prerouting"].hook
    )
    altered.chains["theirs"] = Chain(("foreign",))
    altered.elements["services", "10.43.0.99 . tcp . 1"] = "drop"
    lines = transaction(altered, ours, T).splitlines()
    assert "flush chain ip pilothouse prerouting" in lines
    assert "delete element ip pilothouse services { 10.43.0.99 . tcp . 1 }" in lines
    assert "delete chain ip pilothouse theirs" in lines


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(Table({"s": Container("ipv4_addr")}), Table({"s": Container("ipv6_addr")}), id="type of a set"),
        pytest.param(Table({"s": Container("ipv4_addr", 5)}), Table({"s": Container("ipv4_addr", 6)}), id="timeout"),
        pytest.param(
            Table(chains={"c": Chain.of(hook="type nat hook output priority -100; policy accept")}),
            Table(chains={"c": Chain.of()}),
            id="hook of a chain",
        ),
    ],
)
def test_what_nft_cannot_change_in_place_is_said(old: Table, new: Table) -> None:
    with pytest.raises(Incompatible):
        transaction(old, new, T)
