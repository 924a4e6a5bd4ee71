"""A second opinion on where pods may go: slow, naive, straight from the documentation, sharing no code with ours.

It reads pods and nodes as they are on the wire and knows the parts of the API that `worlds.py` makes.
"""

from typing import Any

Json = dict[str, Any]
Placed = list[tuple[Json, str]]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def selected(selector: Json | None, labels: Json) -> bool:
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for one in selector.get("matchExpressions", ()):
        found, values = labels.get(one["key"]), one.get("values", ())
        holds = {
            "In": found in values,
            "NotIn": found not in values,
            "Exists": found is not None,
            "DoesNotExist": found is None,
        }[one["operator"]]
        if not holds:
            return False
    return True


def labels_of(thing: Json) -> Json:
    return thing["metadata"].get("labels", {})


def cpu(pod: Json) -> int:
    return sum(int(c.get("resources", {}).get("requests", {}).get("cpu", "0m")[:-1]) for c in pod["spec"]["containers"])


def tolerates(pod: Json, taint: Json) -> bool:
    return any(t["key"] == taint["key"] for t in pod["spec"].get("tolerations", ()))


def objections(pod: Json, node: Json, nodes: list[Json], placed: Placed) -> list[str]:
    """Everything that speaks against putting the pod there, with `placed` as it is."""
    found: list[str] = []
    name = node["metadata"]["name"]
    here = [other for other, where in placed if where == name]
    node_spec = node.get("spec", {})
    allocatable = node["status"]["allocatable"]
    if len(here) + 1 > int(allocatable["pods"]):
        found.append("too many pods")
    if cpu(pod) and cpu(pod) + sum(map(cpu, here)) > int(allocatable["cpu"]) * 1000:
        found.append("cpu")
    if node_spec.get("unschedulable"):
        found.append("cordoned")
    if any(t["effect"] == "NoSchedule" and not tolerates(pod, t) for t in node_spec.get("taints", ())):
        found.append("taint")
    if not wants_node(pod, node):
        found.append("node selector")
    if ports(pod) & {port for other in here for port in ports(other)}:
        found.append("port")
    found += neighbours(pod, node, nodes, placed)
    found += skews(pod, node, nodes, placed)
    return found


def wants_node(pod: Json, node: Json) -> bool:
    return all(labels_of(node).get(key) == value for key, value in pod["spec"].get("nodeSelector", {}).items())


def ports(pod: Json) -> set[int]:
    return {p["hostPort"] for c in pod["spec"]["containers"] for p in c.get("ports", ())}


def term_selects(term: Json, owner: Json, other: Json) -> bool:
    if other["metadata"]["namespace"] not in term.get("namespaces", [owner["metadata"]["namespace"]]):
        return False
    return selected(term.get("labelSelector"), labels_of(other))


def terms(pod: Json, side: str) -> list[Json]:
    return pod["spec"].get("affinity", {}).get(side, {}).get(REQUIRED, [])


def same_domain(nodes: list[Json], one: str, other: str, key: str) -> bool:
    by_name = {n["metadata"]["name"]: labels_of(n) for n in nodes}
    value = by_name[one].get(key)
    return value is not None and by_name[other].get(key) == value


def neighbours(pod: Json, node: Json, nodes: list[Json], placed: Placed) -> list[str]:
    found: list[str] = []
    name = node["metadata"]["name"]
    found += (
        "own anti-affinity"
        for term in terms(pod, "podAntiAffinity")
        for other, where in placed
        if term_selects(term, pod, other) and same_domain(nodes, name, where, term["topologyKey"])
    )
    found += (
        "others' anti-affinity"
        for other, where in placed
        for term in terms(other, "podAntiAffinity")
        if term_selects(term, other, pod) and same_domain(nodes, where, name, term["topologyKey"])
    )
    wanted = terms(pod, "podAffinity")
    if not wanted:
        return found
    if any(term["topologyKey"] not in labels_of(node) for term in wanted):
        return [*found, "affinity"]
    # Only pods that all terms select count; and only on machines that have the label.
    liked = [(o, w) for o, w in placed if all(term_selects(t, pod, o) for t in wanted)]
    if all(any(same_domain(nodes, name, w, t["topologyKey"]) for _, w in liked) for t in wanted):
        return found
    by_name = {n["metadata"]["name"]: labels_of(n) for n in nodes}
    counted = any(t["topologyKey"] in by_name[w] for _, w in liked for t in wanted)
    first_of_its_kind = not counted and all(term_selects(t, pod, pod) for t in wanted)
    return found if first_of_its_kind else [*found, "affinity"]


def skews(pod: Json, node: Json, nodes: list[Json], placed: Placed) -> list[str]:
    found: list[str] = []
    hard = [c for c in pod["spec"].get("topologySpreadConstraints", ()) if c["whenUnsatisfiable"] == "DoNotSchedule"]
    keys = [c["topologyKey"] for c in hard]
    for constraint in hard:
        key = constraint["topologyKey"]
        if key not in labels_of(node):
            found.append("no label")
            continue
        counts: dict[str, int] = {}
        for one in nodes:
            if not all(k in labels_of(one) for k in keys) or not wants_node(pod, one):
                continue
            if constraint.get("nodeTaintsPolicy") == "Honor" and any(
                t["effect"] == "NoSchedule" and not tolerates(pod, t) for t in one.get("spec", {}).get("taints", ())
            ):
                continue
            value = labels_of(one)[key]
            counts.setdefault(value, 0)
            for other, where in placed:
                if (
                    where == one["metadata"]["name"]
                    and other["metadata"]["namespace"] == pod["metadata"]["namespace"]
                    and selected(constraint.get("labelSelector"), labels_of(other))
                ):
                    counts[value] += 1
        itself = selected(constraint.get("labelSelector"), labels_of(pod))
        least = min(counts.values(), default=10**9)
        if len(counts) < constraint.get("minDomains", 1):
            least = 0
        if counts.get(labels_of(node)[key], 0) + itself - least > constraint["maxSkew"]:
            found.append("skew")
    return found
