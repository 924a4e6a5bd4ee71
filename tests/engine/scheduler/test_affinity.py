"""Pods that want to be near others, or far from them. The cases named `docs` are those of the Kubernetes documentation.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
"""

from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from engine.scheduler.placing import Placer
from engine.scheduler.profile import Profile
from tests.engine.scheduler.objects import machines_of, message, node, placer, pod, settle, try_pods

Json = dict[str, Any]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def term(key: str = HOST, *, app: str = "", **more: Any) -> Json:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}} if app else {}, **more}


def near(*terms: Json) -> Json:
    return {"podAffinity": {REQUIRED: list(terms)}}


def far(*terms: Json) -> Json:
    return {"podAntiAffinity": {REQUIRED: list(terms)}}


def wish(side: str, weight: int, one: Json) -> Json:
    return {side: {PREFERRED: [{"weight": weight, "podAffinityTerm": one}]}}


def two_zones() -> Placer:
    """m1 and m2 in zone a, m3 in zone b."""
    return placer(*(node(name, labels={ZONE: zone}) for name, zone in (("m1", "a"), ("m2", "a"), ("m3", "b"))))


def allowed(where: Placer, **spec: Any) -> list[str]:
    """The machines that would be given to one after the other, were each full after it."""
    found: list[str] = []
    names = sorted(m.name for m in where.snapshot.machines())
    for name in names:
        on_it = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
        affinity = {**spec.get("affinity", {}), "nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [on_it]}}}
        (outcome,) = try_pods(where, pod("probe", **{**spec, "affinity": affinity}))
        if machines_of([outcome]) == [name]:
            where.snapshot.pod_gone("probe")
            found.append(name)
    return found


@pytest.mark.parametrize(
    ("affinity", "labels", "there", "machines"),
    [
        pytest.param(near(term(app="cache")), {}, {"app": "cache"}, ["m1"], id="same machine"),
        pytest.param(near(term(ZONE, app="cache")), {}, {"app": "cache"}, ["m1", "m2"], id="same zone"),
        pytest.param(near(term("rack", app="cache")), {}, {"app": "cache"}, [], id="machines without the label"),
        pytest.param(near(term(app="other")), {}, {"app": "cache"}, [], id="nobody to be near"),
        pytest.param(
            near(term(app="web")), {"app": "web"}, {"app": "cache"}, ["m1", "m2", "m3"], id="first of a group"
        ),
        pytest.param(far(term(app="cache")), {}, {"app": "cache"}, ["m2", "m3"], id="another machine"),
        pytest.param(far(term(ZONE, app="cache")), {}, {"app": "cache"}, ["m3"], id="another zone"),
        pytest.param(
            near(term(ZONE, app="cache"), term(app="cache")), {}, {"app": "cache"}, ["m1"], id="all terms must hold"
        ),
        pytest.param(
            near(term(app="cache", namespaces=["other"])), {}, {"app": "cache"}, [], id="only in the namespaces named"
        ),
        pytest.param(
            far(term(app="cache", namespaceSelector={})), {}, {"app": "cache"}, ["m2", "m3"], id="in all namespaces"
        ),
        pytest.param(
            far(term(app="cache", namespaceSelector={"matchLabels": {"team": "x"}})),
            {},
            {"app": "cache"},
            ["m1", "m2", "m3"],
            id="in namespaces with a label that this one lacks",
        ),
        pytest.param(
            {"podAntiAffinity": {REQUIRED: [{"topologyKey": HOST}]}},
            {},
            {"app": "cache"},
            ["m1", "m2", "m3"],
            id="no selector selects nobody",
        ),
        pytest.param(far(term()), {}, {"app": "cache"}, ["m2", "m3"], id="an empty selector selects all"),
        pytest.param(
            far(term(app="cache", matchLabelKeys=["version"])),
            {"version": "2"},
            {"app": "cache", "version": "1"},
            ["m1", "m2", "m3"],
            id="matchLabelKeys: only pods of the same version",
        ),
        pytest.param(
            far(term(app="cache", mismatchLabelKeys=["tenant"])),
            {"tenant": "x"},
            {"app": "cache", "tenant": "y"},
            ["m2", "m3"],
            id="mismatchLabelKeys: only pods of other tenants",
        ),
    ],
)
def test_required_terms(affinity: Json, labels: Json, there: Json, machines: list[str]) -> None:
    where = two_zones()
    settle(where, pod("there", labels=there), "m1")
    assert allowed(where, affinity=affinity, labels=labels) == machines


def test_namespaces_are_selected_by_their_labels() -> None:
    where = two_zones()
    where.snapshot.namespaces = {"blue": {"team": "x"}, "default": {}}
    settle(where, pod("there", namespace="blue", labels={"app": "cache"}), "m1")
    of_team = {"matchLabels": {"team": "x"}}
    assert allowed(where, affinity=far(term(app="cache", namespaceSelector=of_team))) == ["m2", "m3"]


def test_pods_that_are_there_keep_out_those_they_do_not_want() -> None:
    where = two_zones()
    settle(where, pod("shy", labels={"app": "shy"}, affinity=far(term(ZONE, app="loud"))), "m1")
    assert allowed(where, labels={"app": "loud"}) == ["m3"]
    assert allowed(where, labels={"app": "quiet"}) == ["m1", "m2", "m3"]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"affinity": near(term(app="x"))}, "node(s) didn't match pod affinity rules", id="affinity"),
        pytest.param(
            {"affinity": far(term(ZONE, app="there"))},
            "node(s) didn't match pod anti-affinity rules",
            id="anti-affinity",
        ),
        pytest.param(
            {"labels": {"app": "loud"}}, "node(s) didn't satisfy existing pods anti-affinity rules", id="of others"
        ),
    ],
)
def test_reasons_are_upstreams(spec: Json, reason: str) -> None:
    where = placer(node("m1", labels={ZONE: "a"}), node("m2", labels={ZONE: "a"}))
    settle(where, pod("there", labels={"app": "there"}, affinity=far(term(ZONE, app="loud"))), "m1")
    (outcome,) = try_pods(where, pod("p", **spec))
    assert message(outcome) == f"0/2 nodes are available: 2 {reason}."


def test_more_replicas_than_machines_leave_one_waiting() -> None:
    where = two_zones()
    replicas = [pod(f"web-{n}", labels={"app": "web"}, affinity=far(term(app="web"))) for n in range(4)]
    outcomes = try_pods(where, *replicas)
    assert sorted(map(str, machines_of(outcomes))) == ["None", "m1", "m2", "m3"]
    assert message(outcomes[3]) == "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules."


@pytest.mark.parametrize(
    ("mine", "theirs", "machine"),
    [
        pytest.param(wish("podAffinity", 100, term(app="there")), {}, "m3", id="near by wish"),
        pytest.param(wish("podAntiAffinity", 100, term(ZONE, app="there")), {}, "m1", id="far by wish"),
        pytest.param({}, wish("podAffinity", 100, term(app="new")), "m3", id="they want us near"),
        pytest.param({}, near(term(app="new")), "m3", id="they required us, which we return"),
        pytest.param({}, wish("podAntiAffinity", 100, term(app="new")), "m1", id="they want us far"),
    ],
)
def test_wishes_decide_between_equal_machines(mine: Json, theirs: Json, machine: str) -> None:
    where = two_zones()
    settle(where, pod("there", labels={"app": "there"}, affinity=theirs), "m3")
    assert machines_of(try_pods(where, pod("p", labels={"app": "new"}, affinity=mine))) == [machine]


def test_profile_may_pay_no_heed_to_the_wishes_of_others() -> None:
    where = two_zones()
    settle(where, pod("there", affinity=wish("podAffinity", 100, term(app="new"))), "m3")
    deaf = Profile(ignore_others_wishes=True)
    assert machines_of(try_pods(where, pod("p", labels={"app": "new"}), profile=deaf)) == ["m1"]


def documented(text: str) -> Json:
    """The parts of a manifest that `pod` takes."""
    manifest = yaml.safe_load(text)
    meta: Json = manifest["metadata"]
    return {"name": meta["name"], "labels": meta.get("labels"), **manifest["spec"]}


NODE_AFFINITY = """
apiVersion: v1
kind: Pod
metadata:
  name: with-node-affinity
spec:
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
        - matchExpressions:
          - key: topology.kubernetes.io/zone
            operator: In
            values:
            - antarctica-east1
            - antarctica-west1
      preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 1
        preference:
          matchExpressions:
          - key: another-node-label-key
            operator: In
            values:
            - another-node-label-value
  containers:
  - name: with-node-affinity
    image: registry.k8s.io/pause:3.8
"""


def test_docs_node_affinity() -> None:
    where = placer(
        node("east", labels={ZONE: "antarctica-east1"}),
        node("west", labels={ZONE: "antarctica-west1", "another-node-label-key": "another-node-label-value"}),
        node("arctic", labels={ZONE: "arctic", "another-node-label-key": "another-node-label-value"}),
    )
    assert machines_of(try_pods(where, pod(**documented(NODE_AFFINITY)))) == ["west"]


POD_AFFINITY = """
apiVersion: v1
kind: Pod
metadata:
  name: with-pod-affinity
spec:
  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - labelSelector:
          matchExpressions:
          - key: security
            operator: In
            values:
            - S1
        topologyKey: topology.kubernetes.io/zone
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          labelSelector:
            matchExpressions:
            - key: security
              operator: In
              values:
              - S2
          topologyKey: topology.kubernetes.io/zone
  containers:
  - name: with-pod-affinity
    image: registry.k8s.io/pause:3.8
"""


def test_docs_pod_affinity() -> None:
    where = placer(*(node(f"m-{zone}", labels={ZONE: zone}) for zone in ("v", "r", "w")))
    settle(where, pod("s1", labels={"security": "S1"}), "m-v")
    settle(where, pod("s1-too", labels={"security": "S1"}), "m-r")
    settle(where, pod("s2", labels={"security": "S2"}), "m-r")
    assert machines_of(try_pods(where, pod(**documented(POD_AFFINITY)))) == ["m-v"]


REDIS = {"affinity": far(term(app="store")), "labels": {"app": "store"}}
WEB_STORE = {"affinity": {**far(term(app="web-store")), **near(term(app="store"))}, "labels": {"app": "web-store"}}


def test_docs_web_servers_stand_each_beside_a_cache() -> None:
    where = placer(node("node-1"), node("node-2"), node("node-3"))
    caches = machines_of(try_pods(where, *(pod(f"cache-{n}", **REDIS) for n in range(3))))
    webs = machines_of(try_pods(where, *(pod(f"web-{n}", **WEB_STORE) for n in range(3))))
    assert sorted(map(str, caches)) == sorted(map(str, webs)) == ["node-1", "node-2", "node-3"]


def spread_tenants(tenant: str) -> Sequence[Json]:
    """Each tenant has zones of its own."""
    mine: Json = {"topologyKey": ZONE, "labelSelector": {}, "matchLabelKeys": ["tenant"]}
    not_theirs: Json = {
        "topologyKey": ZONE,
        "labelSelector": {"matchExpressions": [{"key": "tenant", "operator": "Exists"}]},
        "mismatchLabelKeys": ["tenant"],
    }
    return [{"labels": {"tenant": tenant}, "affinity": {**near(mine), **far(not_theirs)}}]


def test_docs_tenants_get_zones_of_their_own() -> None:
    where = two_zones()
    (blue,), (red,) = spread_tenants("blue"), spread_tenants("red")
    assert machines_of(try_pods(where, pod("b1", **blue), pod("r1", **red), pod("b2", **blue), pod("r2", **red))) == [
        "m1", "m3", "m2", "m3",
    ]  # fmt: skip
