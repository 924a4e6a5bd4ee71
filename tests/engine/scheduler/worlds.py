"""Machines and pods out of thin air, for properties that must hold in any world."""

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
HOST, ZONE = "kubernetes.io/hostname", "zone"
TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
APPS = ("a", "b", "c")


@st.composite
def nodes(draw: st.DrawFn) -> list[Json]:
    made: list[Json] = []
    for number in range(draw(st.integers(1, 5))):
        name = f"m{number}"
        labels = {HOST: name}
        zone = draw(st.sampled_from(["x", "y", "z", None]))
        if zone is not None:
            labels[ZONE] = zone
        if draw(st.booleans()):
            labels["disk"] = "ssd"
        spec: Json = {}
        if draw(st.integers(0, 5)) == 0:
            spec["taints"] = [TAINT]
        if draw(st.integers(0, 9)) == 0:
            spec["unschedulable"] = True
        allocatable = {"cpu": str(draw(st.integers(1, 4))), "memory": "8Gi", "pods": str(draw(st.integers(1, 6)))}
        meta = {"name": name, "uid": name, "labels": labels}
        made.append({"metadata": meta, "spec": spec, "status": {"allocatable": allocatable}})
    return made


@st.composite
def selectors(draw: st.DrawFn) -> Json:
    if draw(st.booleans()):
        return {"matchLabels": {"app": draw(st.sampled_from(APPS))}}
    values = draw(st.lists(st.sampled_from(APPS), min_size=1, max_size=2, unique=True))
    return {"matchExpressions": [{"key": "app", "operator": draw(st.sampled_from(["In", "NotIn"])), "values": values}]}


@st.composite
def pod_terms(draw: st.DrawFn) -> Json:
    term: Json = {"topologyKey": draw(st.sampled_from([HOST, ZONE])), "labelSelector": draw(selectors())}
    if draw(st.integers(0, 3)) == 0:
        term["namespaces"] = ["default", "other"]
    return term


@st.composite
def spreads(draw: st.DrawFn) -> list[Json]:
    """As the API lets through: one constraint for each label and consequence."""
    made: list[Json] = []
    for key, when in draw(
        st.lists(
            st.tuples(st.sampled_from([HOST, ZONE]), st.sampled_from(["DoNotSchedule", "ScheduleAnyway"])),
            max_size=2,
            unique=True,
        )
    ):
        constraint: Json = {
            "topologyKey": key,
            "whenUnsatisfiable": when,
            "maxSkew": draw(st.integers(1, 2)),
            "labelSelector": draw(selectors()),
            "nodeTaintsPolicy": draw(st.sampled_from(["Honor", "Ignore"])),
        }
        if when == "DoNotSchedule" and draw(st.booleans()):
            constraint["minDomains"] = draw(st.integers(1, 4))
        made.append(constraint)
    return made


@st.composite
def pods(draw: st.DrawFn) -> Json:
    """Without name and uid."""
    container: Json = {"name": "c", "image": "nginx"}
    container["resources"] = {"requests": {"cpu": f"{draw(st.sampled_from([0, 200, 500, 900, 1500]))}m"}}
    if draw(st.integers(0, 4)) == 0:
        container["ports"] = [{"containerPort": 80, "hostPort": 80}]
    spec: Json = {"containers": [container], "priority": draw(st.integers(0, 3))}
    if draw(st.integers(0, 3)) == 0:
        spec["nodeSelector"] = {"disk": "ssd"}
    if draw(st.integers(0, 2)) == 0:
        spec["tolerations"] = [{"key": "dedicated", "operator": "Exists"}]
    affinity: Json = {}
    for side, odds in (("podAffinity", 5), ("podAntiAffinity", 3)):
        part: Json = {}
        if draw(st.integers(0, odds)) == 0:
            part[REQUIRED] = draw(st.lists(pod_terms(), min_size=1, max_size=2))
        if draw(st.integers(0, odds)) == 0:
            part["preferredDuringSchedulingIgnoredDuringExecution"] = [
                {"weight": draw(st.integers(1, 100)), "podAffinityTerm": draw(pod_terms())}
            ]
        if part:
            affinity[side] = part
    if affinity:
        spec["affinity"] = affinity
    if draw(st.integers(0, 2)) == 0:
        spec["topologySpreadConstraints"] = draw(spreads())
    namespace = draw(st.sampled_from(["default", "default", "other"]))
    meta = {"namespace": namespace, "labels": {"app": draw(st.sampled_from(APPS))}}
    return {"metadata": meta, "spec": spec}


def named(pod: Json, name: str) -> Json:
    return {**pod, "metadata": {**pod["metadata"], "name": name, "uid": name}}
