from hypothesis import given
from hypothesis import strategies as st

from nodeagent.network.nft.assembly import Assembly
from nodeagent.network.nft.table import Incompatible, Table
from nodeagent.network.services.rules import FAMILY_TABLE, base, ruleset, service_rules
from nodeagent.network.views import EndpointSliceView, ServiceView
from tests.nodeagent.network.nft_model import Model
from tests.nodeagent.network.objects import LAYOUT, endpoint, endpoints, service
from tests.nodeagent.network.strategies import NAMES, some_service, some_slices


def claim(value: str) -> Table:
    return Table(elements={("services", "203.0.113.5 . tcp . 80"): value})


Change = tuple[str, ServiceView | None, list[EndpointSliceView]]


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    made: list[Change] = []
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=8)):
        wanted = draw(st.none() | some_service(name))
        made.append((name, wanted, draw(some_slices(name))))
    return made


@given(changes())
def test_changes_one_by_one_end_where_building_at_once_does(made: list[Change]) -> None:
    assembly = Assembly(FAMILY_TABLE, base(LAYOUT))
    assembly.commit_whole()
    model = Model(assembly.desired)
    last: dict[str, tuple[ServiceView, list[EndpointSliceView]]] = {}
    for name, wanted, slices in made:
        last.pop(name, None)
        if wanted is not None:
            last[name] = wanted, slices
        assembly.put(name, service_rules(wanted, slices, LAYOUT).table if wanted is not None else None)
        try:
            model.apply(assembly.pending())
            assembly.commit()
        except Incompatible:
            model = Model(assembly.desired)
            assembly.commit_whole()
        assert model.table() == assembly.desired
    at_once = ruleset([s for s, _ in last.values()], [p for _, slices in last.values() for p in slices], LAYOUT)
    built_in = ruleset([], [], LAYOUT)
    assert assembly.desired.chains.keys() == at_once.chains.keys() - built_in.chains.keys() | base(LAYOUT).chains.keys()
    assert at_once.elements.keys() - built_in.elements.keys() == assembly.desired.elements.keys()


def test_of_two_claims_the_first_counts_and_the_second_takes_over() -> None:
    assembly = Assembly(FAMILY_TABLE, base(LAYOUT))
    element = ("services", "203.0.113.5 . tcp . 80")
    assembly.put("a", claim("goto a"))
    assembly.put("b", claim("goto b"))
    assert assembly.desired.elements[element] == "goto a"
    assembly.put("a", None)
    assert assembly.desired.elements[element] == "goto b"
    assembly.put("b", None)
    assert element not in assembly.desired.elements


def test_putting_the_same_again_is_no_change() -> None:
    assembly = Assembly(FAMILY_TABLE, base(LAYOUT))
    rules = service_rules(service(), [endpoints(endpoint("10.42.1.2"))], LAYOUT).table
    assert assembly.put("default/web", rules)
    assembly.commit_whole()
    again = service_rules(service(), [endpoints(endpoint("10.42.1.2"))], LAYOUT).table
    assert not assembly.put("default/web", again)
    assert assembly.pending() == ""
