"""Whatever happens in whatever order: the table ends as if built at once, and the kernel takes every step."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.network.nft.assembly import Assembly
from nodeagent.network.nft.table import Incompatible
from nodeagent.network.policies.part import PolicyPart
from nodeagent.network.policies.rules import base
from nodeagent.network.policies.state import PolicyState
from nodeagent.network.policies.views import ContainerPort, PodStatus
from tests.nodeagent.network.nft_model import Model
from tests.nodeagent.network.objects import LAYOUT
from tests.nodeagent.network.policies.objects import namespace, pod, policy

SELECTORS = st.sampled_from([{}, {"matchLabels": {"app": "a"}}, {"matchLabels": {"tier": "back"}}])
PORTS = st.lists(
    st.sampled_from([{"port": 80}, {"port": "http"}, {"port": 8000, "endPort": 9000}, {"protocol": "UDP"}]), max_size=2
)
PEERS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"podSelector": SELECTORS}),
        st.fixed_dictionaries({"namespaceSelector": st.sampled_from([{}, {"matchLabels": {"team": "x"}}])}),
        st.just({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.42.0.0/16"]}}),
    ),
    max_size=2,
)
SPECS = st.fixed_dictionaries(
    {
        "podSelector": SELECTORS,
        "policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
        "ingress": st.lists(st.fixed_dictionaries({"from": PEERS, "ports": PORTS}), max_size=2),
        "egress": st.lists(st.fixed_dictionaries({"to": PEERS, "ports": PORTS}), max_size=2),
    }
)
SPACES = ("default", "other")


@st.composite
def events(draw: st.DrawFn) -> list[tuple]:
    made = []
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["policy", "pod", "pod", "namespace"]))
        space = draw(st.sampled_from(SPACES))
        if draw(st.integers(0, 3)) == 0:
            made.append((kind, space, draw(st.sampled_from("ab")), None))
            continue
        name = draw(st.sampled_from("ab"))
        if kind == "policy":
            new = policy(draw(SPECS), name, space)
        elif kind == "pod":
            address = f"10.42.{draw(st.sampled_from([1, 2]))}.{2 + SPACES.index(space) * 2 + 'ab'.index(name)}"
            named = [ContainerPort(container_port=8080, name="http")] if draw(st.booleans()) else []
            new = pod(name, address, space, named, tier=draw(st.sampled_from(["back", "front"])))
            if draw(st.integers(0, 3)) == 0:
                new = msgspec.structs.replace(new, status=PodStatus(phase="Failed", pod_ip=address))
        else:
            new = namespace(space, team=draw(st.sampled_from("xy")))
        made.append((kind, space, name, new))
    return made


def tell(state: PolicyState, kind: str, space: str, name: str, new) -> None:
    held = {"policy": state.policies, "pod": state.pods, "namespace": state.namespaces}[kind]
    old = held.get(space if kind == "namespace" else f"{space}/{name}")
    if old is None and new is None:
        return
    {"policy": state.policy_changed, "pod": state.pod_changed, "namespace": state.namespace_changed}[kind](old, new)


@given(events())
def test_changes_one_by_one_end_where_building_at_once_does(made: list[tuple]) -> None:
    state = PolicyState()
    part, assembly = PolicyPart(state, LAYOUT), Assembly("ip t", base())
    assembly.commit_whole()
    model = Model(assembly.desired)
    for event in made:
        tell(state, *event)
        part.assemble(assembly)
        try:
            model.apply(assembly.pending())
            assembly.commit()
        except Incompatible:
            model = Model(assembly.desired)
            assembly.commit_whole()
        assert model.table() == assembly.desired
    again = PolicyState(state.snapshot())
    if not state.policies:
        assert assembly.desired == Assembly("ip t", base()).desired
        return
    part, at_once = PolicyPart(again, LAYOUT), Assembly("ip t", base())
    part.everything(at_once)
    part.assemble(at_once)
    assert at_once.desired == assembly.desired


def test_a_pods_address_known_here_first_outlasts_older_words_of_the_api() -> None:
    state = PolicyState()
    here = pod("a", "10.42.1.2")
    state.pod_changed(None, here)
    state.pod_changed(None, msgspec.structs.replace(here, status=PodStatus(phase="Pending")))
    assert state.pods["default/a"].address == "10.42.1.2"
    another = msgspec.structs.replace(here, metadata=msgspec.structs.replace(here.metadata, uid="new"))
    state.pod_changed(None, msgspec.structs.replace(another, status=PodStatus(phase="Pending")))
    assert state.pods["default/a"].address == ""


def test_a_heartbeat_of_a_pod_changes_nothing() -> None:
    state = PolicyState()
    state.policy_changed(None, policy({"podSelector": {}}))
    state.pod_changed(None, pod("a", "10.42.1.2"))
    state.dirty_policies.clear()
    state.dirty_pods.clear()
    before = state.changes
    state.pod_changed(None, pod("a", "10.42.1.2"))
    assert (state.dirty_policies, state.dirty_pods, state.changes) == ({}, {}, before)
