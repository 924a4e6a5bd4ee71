"""From a pod's log, exec, attach or portforward request to the call that its node's agent answers. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from apimachinery.objects.errors import BadRequest
from engine.apiserver.request import Query, Upgrade

STREAMS = frozenset({"log", "exec", "attach", "portforward"})
COMMANDS = frozenset({"exec", "attach", "portforward"})
"""Streams by which a client makes something happen in a pod."""

_LOG_OPTIONS = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes")
_EXEC_OPTIONS = ("command", "stdin", "stdout", "stderr", "tty")


def to_node(pod: dict[str, Any], stream: str, query: Query) -> Upgrade:
    """Raises BadRequest when the request names no container that could be meant, or the pod is on no node."""
    metadata, spec = pod["metadata"], pod.get("spec", {})
    name, namespace = metadata["name"], metadata["namespace"]
    node = spec.get("nodeName", "")
    if stream == "portforward":
        if not node:
            raise BadRequest(f"pod {name} does not have a host assigned")
        ports = [("port", value) for text in query.all("ports") for value in text.split(",")]
        return Upgrade(node, f"/portForward/{namespace}/{name}", Query(ports), stream)
    container = _container(pod, query.get("container"))
    if not node:
        if stream == "log":
            # Upstream answers an empty log for a pod that has not been placed yet.
            return Upgrade("", "", Query(), stream)
        raise BadRequest(f"pod {name} does not have a host assigned")
    wanted, folder = (_LOG_OPTIONS, "containerLogs") if stream == "log" else (_EXEC_OPTIONS, stream)
    options = [(key, value) for key, value in query.pairs if key in wanted]
    return Upgrade(node, f"/{folder}/{namespace}/{name}/{quote(container, safe='')}", Query(options), stream)


def _container(pod: dict[str, Any], asked: str) -> str:
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
