"""Containers, volumes and probes as a description shows them: for pods and for the templates of pods. Pure."""

from collections.abc import Mapping
from typing import Any

from tui.document import Document, Span
from tui.kinds.sections import age
from tui.tones import Tone

JSON = dict[str, Any]


def containers(doc: Document, title: str, specs: list[JSON] | None, statuses: list[JSON] | None, now: float) -> None:
    if not specs:
        return
    by_name = {status["name"]: status for status in statuses or ()}
    doc.heading(title)
    for spec in specs:
        _container(doc, spec, by_name.get(spec["name"]), now)


def _container(doc: Document, spec: JSON, status: JSON | None, now: float) -> None:
    head: list[Span] = [(spec["name"], Tone.KEY)]
    if status is not None:
        word, tone = state_words(status, now)
        head += [("  ", Tone.TEXT), (word, tone)]
        if status.get("restartCount"):
            head.append((f"  restarted {status['restartCount']} times", Tone.WARN))
    doc.spans(head)
    doc.field("Image", spec.get("image"), indent=2)
    doc.field("Command", " ".join(spec.get("command") or ()), indent=2)
    doc.field("Args", " ".join(spec.get("args") or ()), indent=2)
    doc.field("Ports", ", ".join(_port(port) for port in spec.get("ports") or ()), indent=2)
    resources = spec.get("resources") or {}
    for name in ("requests", "limits"):
        doc.field(name.capitalize(), ", ".join(f"{k} {v}" for k, v in (resources.get(name) or {}).items()), indent=2)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if spec.get(probe):
            doc.field(probe.removesuffix("Probe").capitalize(), probe_words(spec[probe]), indent=2)
    for index, variable in enumerate(spec.get("env") or ()):
        doc.field("Env" if index == 0 else " ", f"{variable['name']}={_value(variable)}", indent=2)
    for source in spec.get("envFrom") or ():
        doc.field("Env from", _env_from(source), indent=2)
    for index, mount in enumerate(spec.get("volumeMounts") or ()):
        words = f"{mount['mountPath']} from {mount['name']}" + (" (read-only)" if mount.get("readOnly") else "")
        doc.field("Mounts" if index == 0 else " ", words, indent=2)
    last = (status or {}).get("lastState", {}).get("terminated")
    if last:
        doc.field("Last end", _terminated(last, now), Tone.WARN, indent=2)


def state_words(status: JSON, now: float) -> tuple[str, Tone]:
    """A container status in one phrase."""
    state = status.get("state") or {}
    if running := state.get("running"):
        since = age(running.get("startedAt"), now)
        return (f"running {since}", Tone.OK) if status.get("ready") else (f"running {since}, not ready", Tone.WARN)
    if terminated := state.get("terminated"):
        return _terminated(terminated, now), Tone.MUTED if terminated.get("exitCode") == 0 else Tone.BAD
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason") or "waiting"
    message = f": {waiting['message']}" if waiting.get("message") else ""
    starting = reason in ("ContainerCreating", "PodInitializing", "waiting")
    return f"{reason}{message}", Tone.WARN if starting else Tone.BAD


def _terminated(ended: Mapping[str, Any], now: float) -> str:
    reason = ended.get("reason") or "ended"
    ago = age(ended.get("finishedAt"), now)
    message = f": {ended['message'].strip()}" if ended.get("message") else ""
    return f"{reason}, exit code {ended.get('exitCode')}" + (f", {ago} ago" if ago else "") + message


def _port(port: JSON) -> str:
    name = f"{port['name']} " if port.get("name") else ""
    return f"{name}{port['containerPort']}/{port.get('protocol', 'TCP')}"


def probe_words(probe: JSON) -> str:
    if http := probe.get("httpGet"):
        what = f"{(http.get('scheme') or 'http').lower()}-get :{http.get('port')}{http.get('path') or '/'}"
    elif tcp := probe.get("tcpSocket"):
        what = f"tcp :{tcp.get('port')}"
    elif grpc := probe.get("grpc"):
        what = f"grpc :{grpc.get('port')}"
    else:
        what = "exec " + " ".join((probe.get("exec") or {}).get("command") or ())
    return f"{what}, every {probe.get('periodSeconds', 10)}s, timeout {probe.get('timeoutSeconds', 1)}s"


def _value(variable: JSON) -> str:
    source = variable.get("valueFrom")
    if not source:
        return str(variable.get("value", ""))
    if reference := source.get("configMapKeyRef"):
        return f"<configmap {reference.get('name')}.{reference.get('key')}>"
    if reference := source.get("secretKeyRef"):
        return f"<secret {reference.get('name')}.{reference.get('key')}>"
    if reference := source.get("fieldRef"):
        return f"<{reference.get('fieldPath')}>"
    return "<resource>"


def _env_from(source: JSON) -> str:
    if reference := source.get("configMapRef"):
        return f"configmap {reference.get('name')}"
    return f"secret {(source.get('secretRef') or {}).get('name')}"


def volumes(doc: Document, listed: list[JSON] | None) -> None:
    if not listed:
        return
    doc.heading("Volumes")
    for volume in listed:
        doc.field(volume["name"], volume_words(volume))


def volume_words(volume: JSON) -> str:
    kind = next((key for key in volume if key != "name"), "")
    source = volume.get(kind) or {}
    detail = source.get("name") or source.get("secretName") or source.get("claimName") or source.get("path") or ""
    if kind == "projected":
        detail = ", ".join(next(iter(part), "") for part in source.get("sources") or ())
    return f"{kind} {detail}".strip()
