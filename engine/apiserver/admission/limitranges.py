"""LimitRange: what one container, pod or claim of a namespace may ask for, and what it gets when it asks for nothing.

Source: plugin/pkg/admission/limitranger/admission.go.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apimachinery.objects import podresources, quantity, usage
from apimachinery.objects.errors import Forbidden
from apimachinery.objects.podresources import Amounts
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Context, Kind

Json = dict[str, Any]

_ANNOTATION = "kubernetes.io/limit-ranger"
_MIRROR = "kubernetes.io/config.mirror"


def admit(kind: Kind, obj: Json, context: Context) -> None:
    """Fill in what a new pod's containers do not say; refuse pods and claims outside the limits. Raises Forbidden."""
    if kind.group or kind.plural not in {"pods", "persistentvolumeclaims"}:
        return
    meta: Json = obj["metadata"]
    ranges = context.find("", "limitranges", meta.get("namespace", ""))
    if not ranges or _MIRROR in (meta.get("annotations") or {}):
        return
    items: list[Json] = [item for entry in ranges for item in (entry.get("spec") or {}).get("limits") or ()]
    if kind.plural == "pods":
        _fill_in(obj, items)
        problems = _pod_problems(obj["spec"], items)
    else:
        problems = claim_problems(obj, items)
    _refuse(kind, meta, problems)


class ChangedLimits:
    """Judges claims that are changed, and pods that are resized."""

    def check(self, write: Write) -> None:
        """Raises Forbidden."""
        kind, new = write.kind, write.new
        if kind.group or new is None or write.old is None:
            return
        if (kind.plural, write.subresource) not in {("persistentvolumeclaims", ""), ("pods", "resize")}:
            return
        ranges = write.context.find("", "limitranges", write.namespace)
        items: list[Json] = [item for entry in ranges for item in (entry.get("spec") or {}).get("limits") or ()]
        if items:
            problems = _pod_problems(new["spec"], items) if kind.plural == "pods" else claim_problems(new, items)
            _refuse(kind, new["metadata"], problems)


def _refuse(kind: Kind, meta: Json, problems: list[str]) -> None:
    if problems:
        detail = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        name = meta.get("name", "")
        message = f'{kind.plural} "{name}" is forbidden: {detail}'
        raise Forbidden(message, details={"name": name, "kind": kind.plural} if name else {"kind": kind.plural})


def _fill_in(pod: Json, items: list[Json]) -> None:
    limits: dict[str, str] = {}
    requests: dict[str, str] = {}
    for item in items:
        if item.get("type") == "Container":
            limits.update(item.get("default") or {})
            requests.update(item.get("defaultRequest") or {})
    set_by_us: list[str] = []
    for field, noun in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(field) or ():
            for side, defaults in (("requests", requests), ("limits", limits)):
                own: dict[str, str] = container.setdefault("resources", {}).setdefault(side, {})
                added = [name for name in defaults if name not in own]
                own.update({name: defaults[name] for name in added})
                if not own:
                    del container["resources"][side]
                if added:
                    word = side.removesuffix("s")
                    set_by_us.append(f"{', '.join(sorted(added))} {word} for {noun} {container.get('name', '')}")
    if set_by_us:
        annotations: dict[str, str] = pod["metadata"].setdefault("annotations", {})
        annotations[_ANNOTATION] = f"LimitRanger plugin set: {'; '.join(set_by_us)}"


def _pod_problems(spec: Json, items: list[Json]) -> list[str]:
    containers: list[Json] = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    problems: list[str] = []
    for item in items:
        match item.get("type"):
            case "Container":
                for container in containers:
                    requests = podresources.of_container(container, "requests")
                    limits = podresources.of_container(container, "limits")
                    problems += _problems(item, "Container", requests, limits)
            case "Pod":
                requests, limits = podresources.of_pod(spec, "requests"), podresources.of_pod(spec, "limits")
                problems += _problems(item, "Pod", requests, limits)
            case _:
                pass
    return problems


def claim_problems(claim: Json, items: list[Json]) -> list[str]:
    """What is wrong with the size of a claim."""
    asked: dict[str, str] = (claim.get("spec") or {}).get("resources", {}).get("requests") or {}
    requests = {name: quantity.parse(amount) for name, amount in asked.items()}
    problems: list[str] = []
    for item in items:
        if item.get("type") != "PersistentVolumeClaim":
            continue
        for name, least in (item.get("min") or {}).items():
            problems += _too_little(
                f"minimum {name} usage per PersistentVolumeClaim is {least}", least, requests.get(name), None
            )
        for name, most in (item.get("max") or {}).items():
            start = f"maximum {name} usage per PersistentVolumeClaim is {most}"
            request = requests.get(name)
            if request is None:
                problems.append(f"{start}.  No request is specified")
            elif request > quantity.parse(most):
                problems.append(f"{start}, but request is {usage.printed(request, name)}")
    return problems


def _problems(item: Json, what: str, requests: Amounts, limits: Amounts) -> list[str]:
    problems: list[str] = []
    for name, least in sorted((item.get("min") or {}).items()):
        start = f"minimum {name} usage per {what} is {least}"
        problems += _too_little(start, least, requests.get(name), limits.get(name))
    for name, most in sorted((item.get("max") or {}).items()):
        start = f"maximum {name} usage per {what} is {most}"
        request, limit = requests.get(name), limits.get(name)
        if limit is None:
            problems.append(f"{start}.  No limit is specified")
        elif limit > quantity.parse(most):
            problems.append(f"{start}, but limit is {usage.printed(limit, name)}")
        elif request is not None and request > quantity.parse(most):
            problems.append(f"{start}, but request is {usage.printed(request, name)}")
    for name, ratio in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        start = f"{name} max limit to request ratio per {what} is {ratio}"
        problems += _too_wide(start, quantity.parse(ratio), requests.get(name), limits.get(name))
    return problems


def _too_little(start: str, least: str, request: Decimal | None, limit: Decimal | None) -> list[str]:
    name = start.split(" ", 2)[1]
    if request is None:
        return [f"{start}.  No request is specified"]
    if request < quantity.parse(least):
        return [f"{start}, but request is {usage.printed(request, name)}"]
    if limit is not None and limit < quantity.parse(least):
        return [f"{start}, but limit is {usage.printed(limit, name)}"]
    return []


def _too_wide(start: str, ratio: Decimal, request: Decimal | None, limit: Decimal | None) -> list[str]:
    if not request:
        return [f"{start}, but no request is specified or request is 0"]
    if not limit:
        return [f"{start}, but no limit is specified or limit is 0"]
    return [f"{start}, but provided ratio is {limit / request:.6f}"] if limit / request > ratio else []
