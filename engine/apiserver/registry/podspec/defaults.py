"""What a pod spec means where it says nothing."""

from __future__ import annotations

from collections.abc import Iterator

from apimachinery.objects import quantity
from engine.apiserver.registry.kind import Json

_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_FILE_VOLUMES = ("secret", "configMap", "downwardAPI", "projected")
_FILE_MODE = 0o644
_TOKEN_LIFETIME = 3600


def set_spec_defaults(spec: Json) -> None:
    """Fill in a pod spec, a template's included."""
    defaults: Json = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
    }
    for name, value in defaults.items():
        if spec.get(name) in (None, ""):
            spec[name] = value
    spec.setdefault("securityContext", {})
    for container in containers_of(spec):
        _set_container_defaults(container)
    for volume in spec.get("volumes", ()):
        _set_volume_defaults(volume)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        # The old name of the field, which clients still read.
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def set_pod_defaults(spec: Json) -> None:
    """Fill in what only a Pod gets, not a template."""
    spec.setdefault("enableServiceLinks", True)
    for name in ("initContainers", "containers"):
        for container in spec.get(name, ()):
            resources = container.get("resources", {})
            if resources.get("limits"):
                resources["requests"] = {**resources["limits"], **resources.get("requests", {})}
            if spec.get("hostNetwork"):
                for port in container.get("ports", ()):
                    port["hostPort"] = port.get("hostPort") or port.get("containerPort", 0)


def containers_of(spec: Json) -> Iterator[Json]:
    """All containers of a pod spec: init, ordinary and ephemeral ones."""
    for name in _CONTAINER_LISTS:
        yield from spec.get(name, ())


def set_container_defaults_in(containers: list[Json]) -> None:
    """Fill in containers that come on their own."""
    for container in containers:
        _set_container_defaults(container)


def _set_container_defaults(container: Json) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image", ""))
    container["terminationMessagePath"] = container.get("terminationMessagePath") or "/dev/termination-log"
    container["terminationMessagePolicy"] = container.get("terminationMessagePolicy") or "File"
    resources = container.setdefault("resources", {})
    for name in ("limits", "requests"):
        round_to_milli(resources.get(name, {}))
    for port in container.get("ports", ()):
        port["protocol"] = port.get("protocol") or "TCP"
    for variable in container.get("env", ()):
        _set_field_ref_defaults(variable.get("valueFrom", {}))
    for name in _PROBES:
        if name in container:
            _set_probe_defaults(container[name])
    for hook in container.get("lifecycle", {}).values():
        if isinstance(hook, dict):
            _set_handler_defaults(hook)


def _set_field_ref_defaults(source: Json) -> None:
    field = source.get("fieldRef")
    if field is not None and not field.get("apiVersion"):
        field["apiVersion"] = "v1"


def pull_policy(image: str) -> str:
    """Always for images whose name means `latest`, IfNotPresent for those with another tag or a digest."""
    name, at, _ = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    if not colon:
        tag = "" if at else "latest"
    return "Always" if tag == "latest" else "IfNotPresent"


def round_to_milli(resources: dict[str, str]) -> None:
    """Round amounts up to thousandths: the API keeps nothing finer."""
    for name, amount in resources.items():
        if amount.endswith(("n", "u")):
            resources[name] = quantity.canonical(f"{quantity.milli(amount)}m")


def _set_probe_defaults(probe: Json) -> None:
    defaults = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    for name, value in defaults.items():
        probe[name] = probe.get(name) or value
    _set_handler_defaults(probe)


def _set_handler_defaults(handler: Json) -> None:
    request = handler.get("httpGet")
    if request is not None:
        request["path"] = request.get("path") or "/"
        request["scheme"] = request.get("scheme") or "HTTP"
    if "grpc" in handler:
        handler["grpc"].setdefault("service", "")


def _set_volume_defaults(volume: Json) -> None:
    if len(volume) == 1 and "name" in volume:
        volume["emptyDir"] = {}
    for name in _FILE_VOLUMES:
        if name in volume:
            volume[name].setdefault("defaultMode", _FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    if "image" in volume and not volume["image"].get("pullPolicy"):
        volume["image"]["pullPolicy"] = pull_policy(volume["image"].get("reference", ""))
    projected: list[Json] = volume.get("projected", {}).get("sources", [])
    for source in projected:
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", _TOKEN_LIFETIME)
    for files in (volume.get("downwardAPI"), *(source.get("downwardAPI") for source in projected)):
        for item in (files or {}).get("items", ()):
            _set_field_ref_defaults(item)
