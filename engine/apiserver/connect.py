"""Requests that end in a conversation: what they ask, as an object and as the call to a node's agent. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from apimachinery.objects.errors import BadRequest
from engine.apiserver.request import NodeLog, Query

Json = dict[str, Any]

COMMANDS = frozenset({"exec", "attach", "portforward"})
"""Streams by which a client makes something happen in a pod."""
CONNECTED = COMMANDS | {"proxy"}
"""Subresources that admission calls CONNECT."""

_LOG_OPTIONS = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes")
_FLAGS = ("stdin", "stdout", "stderr", "tty")
_OPTIONS = {
    "exec": "PodExecOptions",
    "attach": "PodAttachOptions",
    "portforward": "PodPortForwardOptions",
    ("pods", "proxy"): "PodProxyOptions",
    ("services", "proxy"): "ServiceProxyOptions",
    ("nodes", "proxy"): "NodeProxyOptions",
}


@dataclass(frozen=True, slots=True)
class AgentCall:
    """What a node's agent is asked."""

    node: str
    path: str
    query: Query


def options_of(plural: str, subresource: str, query: Query, rest: str) -> Json | None:
    """The request as an object, as admission sees it; None where there is nothing to connect to. Raises BadRequest."""
    kind = _OPTIONS.get((plural, subresource)) or (_OPTIONS.get(subresource) if plural == "pods" else None)
    if kind is None:
        return None
    options: Json = {"kind": kind, "apiVersion": "v1"}
    if subresource == "proxy":
        if rest:
            options["path"] = f"/{rest}"
    elif subresource == "portforward":
        ports = [text for texts in query.all("ports") for text in texts.split(",")]
        if not all(text.isascii() and text.isdecimal() for text in ports):
            raise BadRequest(f"ports: {','.join(ports)!r} are not numbers")
        if ports:
            options["ports"] = [int(text) for text in ports]
    else:
        options |= {name: True for name in _FLAGS if query.get(name).lower() in ("1", "t", "true")}
        if query.get("container"):
            options["container"] = query.get("container")
        if subresource == "exec":
            options["command"] = query.all("command")
    return options


def to_agent(pod: Json, subresource: str, options: Json) -> AgentCall:
    """Raises BadRequest when the options name no container that could be meant, or the pod is on no node."""
    metadata, spec = pod["metadata"], pod.get("spec", {})
    name, namespace = metadata["name"], metadata["namespace"]
    node = spec.get("nodeName", "")
    if subresource == "portforward":
        if not node:
            raise BadRequest(f"pod {name} does not have a host assigned")
        return AgentCall(
            node, f"/portForward/{namespace}/{name}", Query([("port", str(port)) for port in options.get("ports", ())])
        )
    container = _container(pod, options.get("container", ""))
    if not node:
        raise BadRequest(f"pod {name} does not have a host assigned")
    asked = [("command", word) for word in options.get("command", ())]
    asked += [(flag, "true") for flag in _FLAGS if options.get(flag)]
    return AgentCall(node, f"/{subresource}/{namespace}/{name}/{quote(container, safe='')}", Query(asked))


def log_of(pod: Json, query: Query) -> NodeLog:
    """Raises BadRequest when the request names no container that could be meant."""
    metadata, node = pod["metadata"], pod.get("spec", {}).get("nodeName", "")
    container = _container(pod, query.get("container"))
    if not node:
        # Upstream answers an empty log for a pod that has not been placed yet.
        return NodeLog("", "", Query())
    options = [(key, value) for key, value in query.pairs if key in _LOG_OPTIONS]
    path = f"/containerLogs/{metadata['namespace']}/{metadata['name']}/{quote(container, safe='')}"
    return NodeLog(node, path, Query(options))


def _container(pod: Json, asked: str) -> str:
    spec, name = pod.get("spec", {}), pod["metadata"]["name"]
    containers = [c["name"] for c in spec.get("containers", ())]
    init = [c["name"] for c in spec.get("initContainers", ())]
    ephemeral = [c["name"] for c in spec.get("ephemeralContainers", ())]
    if asked:
        if asked not in (*containers, *init, *ephemeral):
            raise BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container", "")
    if default in containers:
        return default
    if len(containers) == 1 and not init and not ephemeral:
        return containers[0]
    choices = f"choose one of: [{' '.join(containers)}]"
    if init:
        choices += f" or one of the init containers: [{' '.join(init)}]"
    if ephemeral:
        choices += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise BadRequest(f"a container name must be specified for pod {name}, {choices}")
