"""Validation of containers: ordinary, init and ephemeral ones."""

from __future__ import annotations

from apimachinery.objects.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.podspec.environment import append_environment_errors
from engine.apiserver.registry.podspec.handlers import append_probe_errors
from engine.apiserver.registry.podspec.resources import append_resource_errors
from engine.apiserver.registry.podspec.volumes import append_device_errors, append_mount_errors

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_LARGEST_ID = 2**31 - 1
_ONLY_FOR_SIDECARS = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")


def append_container_errors(errors: list[FieldError], spec: Json, volumes: dict[str, Json], path: str) -> None:
    """Judge all containers of a pod spec."""
    containers: list[Json] = spec.get("containers", [])
    init_containers: list[Json] = spec.get("initContainers", [])
    if not containers:
        errors.append(required(f"{path}.containers"))
    seen: set[str] = set()
    host_ports: set[str] = set()
    grace_period = spec.get("terminationGracePeriodSeconds", 30)
    for name, listed in (("containers", containers), ("initContainers", init_containers)):
        for index, container in enumerate(listed):
            here = f"{path}.{name}[{index}]"
            _append_common_errors(errors, container, volumes, seen, here)
            _append_port_errors(errors, container, here, host_network=spec.get("hostNetwork", False))
            if name == "initContainers":
                _append_init_errors(errors, container, here)
            else:
                _append_host_port_conflicts(errors, container, host_ports, here)
                if container.get("restartPolicy", "Always") not in _RESTART_POLICIES:
                    errors.append(not_supported(f"{here}.restartPolicy", container["restartPolicy"], _RESTART_POLICIES))
            append_probe_errors(errors, container, here, grace_period)
    for index, container in enumerate(spec.get("ephemeralContainers", ())):
        here = f"{path}.ephemeralContainers[{index}]"
        _append_common_errors(errors, container, volumes, seen, here)
        errors += (
            forbidden(f"{here}.{field}", "cannot be set for an Ephemeral Container")
            for field in (*_ONLY_FOR_SIDECARS, "ports")
            if container.get(field)
        )
        target = container.get("targetContainerName", "")
        if target and not any(other.get("name") == target for other in (*containers, *init_containers)):
            errors.append(FieldError(kind="NotFound", field=f"{here}.targetContainerName", value=target))


def _append_common_errors(
    errors: list[FieldError], container: Json, volumes: dict[str, Json], seen: set[str], path: str
) -> None:
    name, image = container.get("name", ""), container.get("image", "")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        errors += (invalid(f"{path}.name", name, message) for message in names.dns_label(name))
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
    if not image:
        errors.append(required(f"{path}.image"))
    elif image != image.strip():
        errors.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    for field, supported in (("imagePullPolicy", _PULL_POLICIES), ("terminationMessagePolicy", _MESSAGE_POLICIES)):
        value = container.get(field)
        if not value:
            errors.append(required(f"{path}.{field}"))
        elif value not in supported:
            errors.append(not_supported(f"{path}.{field}", value, supported))
    append_environment_errors(errors, container, path)
    append_mount_errors(errors, container, volumes, path)
    append_device_errors(errors, container, volumes, path)
    resources = container.get("resources")
    if resources:
        append_resource_errors(errors, resources, f"{path}.resources")
    security = container.get("securityContext")
    if security:
        append_security_errors(errors, security, f"{path}.securityContext")


def _append_init_errors(errors: list[FieldError], container: Json, path: str) -> None:
    policy = container.get("restartPolicy")
    if policy is not None and policy not in _RESTART_POLICIES:
        errors.append(not_supported(f"{path}.restartPolicy", policy, _RESTART_POLICIES))
    if policy != "Always":
        for field in _ONLY_FOR_SIDECARS:
            if container.get(field):
                detail = "may not be set for init containers without restartPolicy=Always"
                errors.append(forbidden(f"{path}.{field}", detail))


def _append_port_errors(errors: list[FieldError], container: Json, path: str, *, host_network: bool) -> None:
    seen: set[str] = set()
    for index, port in enumerate(container.get("ports", ())):
        here = f"{path}.ports[{index}]"
        name = port.get("name", "")
        if name:
            messages = names.port_name(name)
            errors += (invalid(f"{here}.name", name, message) for message in messages)
            if not messages and name in seen:
                errors.append(duplicate(f"{here}.name", name))
            seen.add(name)
        number, host_port = port.get("containerPort", 0), port.get("hostPort", 0)
        if number == 0:
            errors.append(required(f"{here}.containerPort"))
        else:
            errors += (invalid(f"{here}.containerPort", number, message) for message in names.port_number(number))
        if host_port:
            errors += (invalid(f"{here}.hostPort", host_port, message) for message in names.port_number(host_port))
        if host_network and host_port and host_port != number:
            errors.append(invalid(f"{here}.containerPort", number, "must match `hostPort` when `hostNetwork` is true"))
        protocol = port.get("protocol", "")
        if not protocol:
            errors.append(required(f"{here}.protocol"))
        elif protocol not in _PROTOCOLS:
            errors.append(not_supported(f"{here}.protocol", protocol, _PROTOCOLS))


def _append_host_port_conflicts(errors: list[FieldError], container: Json, taken: set[str], path: str) -> None:
    for index, port in enumerate(container.get("ports", ())):
        if not port.get("hostPort"):
            continue
        socket = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
        if socket in taken:
            errors.append(duplicate(f"{path}.ports[{index}].hostPort", socket))
        taken.add(socket)


def append_security_errors(errors: list[FieldError], security: Json, path: str) -> None:
    """Judge the security context of a container or of a pod."""
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        number = security.get(field)
        if number is not None and not 0 <= number <= _LARGEST_ID:
            errors.append(invalid(f"{path}.{field}", number, f"must be between 0 and {_LARGEST_ID}, inclusive"))
    if security.get("allowPrivilegeEscalation") is False:
        if security.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            errors.append(invalid(path, security, detail))
        if "CAP_SYS_ADMIN" in security.get("capabilities", {}).get("add", ()):
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            errors.append(invalid(path, security, detail))
