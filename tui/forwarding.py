"""Which ports can be forwarded, and to which pod a forward leads now. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A port to choose: `port` is a number, or the name that containers give it; `words` is what the dialog says."""

    port: str
    words: str
    local: int


def pod_offers(spec: JSON) -> list[Offer]:
    """The TCP ports of a pod's containers, sidecars included, in their order."""
    offers: list[Offer] = []
    for container in _containers(spec):
        for port in container.get("ports") or ():
            if port.get("protocol", "TCP") == "TCP":
                number, name = int(port["containerPort"]), port.get("name", "")
                words = " ".join(part for part in (container["name"], f"{number}", name) if part)
                offers.append(Offer(port=str(number), words=words, local=local_for(number)))
    return offers


def service_offers(service: JSON) -> list[Offer]:
    """The TCP ports of a Service; each leads to the target port of a ready pod."""
    offers: list[Offer] = []
    for port in (service.get("spec") or {}).get("ports") or ():
        if port.get("protocol", "TCP") != "TCP":
            continue
        number, target = int(port["port"]), str(port.get("targetPort") or port["port"])
        words = " ".join(part for part in (port.get("name", ""), f"{number} → {target}") if part)
        offers.append(Offer(port=target, words=words, local=local_for(number)))
    return offers


def local_for(number: int) -> int:
    """The same port, lifted out of the range that needs root: 80 → 8080, 443 → 8443."""
    return number if number >= 1024 else number + 8000


def port_number(pod: JSON, port: str) -> int | None:
    """The number behind a port's number or name in this pod; None when no container has such a name."""
    if port.isdigit():
        return int(port)
    for container in _containers(pod.get("spec") or {}):
        for one in container.get("ports") or ():
            if one.get("name") == port:
                return int(one["containerPort"])
    return None


def choose_pod(pods: Iterable[JSON], *, last: str = "", avoid: Iterable[str] = ()) -> JSON | None:
    """The pod to connect to: the last one while it is ready, else the ready one that is longest there."""
    avoided = frozenset(avoid)
    ready = [pod for pod in pods if is_ready(pod) and pod["metadata"]["name"] not in avoided]
    for pod in ready:
        if pod["metadata"]["name"] == last:
            return pod
    return min(ready, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", default=None)


def is_ready(pod: JSON) -> bool:
    """Ready and not on its way out; a pod that runs with no readiness told yet is not."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def is_running(pod: JSON) -> bool:
    """Its containers run, ready or not: enough for a forward to this one pod."""
    return not pod["metadata"].get("deletionTimestamp") and (pod.get("status") or {}).get("phase") == "Running"


def _containers(spec: JSON) -> list[JSON]:
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    return [*sidecars, *(spec.get("containers") or ())]
