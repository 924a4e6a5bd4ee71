"""Validation of probes and lifecycle hooks."""

from __future__ import annotations

from typing import Any

from apimachinery.objects.field import FieldError, forbidden, invalid, not_supported, required
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Json

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_NOT_NEGATIVE = "must be greater than or equal to 0"
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_SCHEMES = ("HTTP", "HTTPS")


def append_probe_errors(errors: list[FieldError], container: Json, path: str, grace_period: int) -> None:
    """Judge the three probes of a container."""
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        here = f"{path}.{name}"
        _append_handler_errors(errors, probe, here)
        errors += (
            invalid(f"{here}.{count}", probe[count], _NOT_NEGATIVE) for count in _COUNTS if probe.get(count, 0) < 0
        )
        grace = probe.get("terminationGracePeriodSeconds")
        if name == "readinessProbe":
            if grace is not None:
                detail = "must not be set for readinessProbes"
                errors.append(invalid(f"{here}.terminationGracePeriodSeconds", grace, detail))
            continue
        if probe.get("successThreshold", 1) != 1:
            errors.append(invalid(f"{here}.successThreshold", probe["successThreshold"], "must be 1"))
        if grace is not None and grace <= 0:
            errors.append(invalid(f"{here}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
    _append_lifecycle_errors(errors, container.get("lifecycle"), f"{path}.lifecycle", grace_period)


def _append_lifecycle_errors(errors: list[FieldError], lifecycle: Json | None, path: str, grace_period: int) -> None:
    for name in ("postStart", "preStop"):
        hook = (lifecycle or {}).get(name)
        if hook is None:
            continue
        _append_handler_errors(errors, hook, f"{path}.{name}")
        seconds = hook.get("sleep", {}).get("seconds", 0)
        if seconds < 0 or seconds > grace_period:
            detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_period})"
            errors.append(invalid(f"{path}.{name}", seconds, detail))


def _append_handler_errors(errors: list[FieldError], handler: Json, path: str) -> None:
    chosen = [name for name in _HANDLERS if name in handler]
    if not chosen:
        errors.append(required(path, "must specify a handler type"))
    errors += (forbidden(f"{path}.{name}", "may not specify more than 1 handler type") for name in chosen[1:])
    for name in chosen[:1]:
        action: Json = handler[name]
        match name:
            case "exec":
                if not action.get("command"):
                    errors.append(required(f"{path}.exec.command"))
            case "httpGet":
                _append_http_errors(errors, action, f"{path}.httpGet")
            case "tcpSocket":
                append_port_errors(errors, action.get("port", 0), f"{path}.tcpSocket.port")
            case "grpc":
                port = action.get("port", 0)
                errors += (invalid(f"{path}.grpc.port", port, message) for message in names.port_number(port))
            case _:
                pass


def _append_http_errors(errors: list[FieldError], action: Json, path: str) -> None:
    if not action.get("path"):
        errors.append(required(f"{path}.path"))
    append_port_errors(errors, action.get("port", 0), f"{path}.port")
    if action.get("scheme") not in _SCHEMES:
        errors.append(not_supported(f"{path}.scheme", action.get("scheme", ""), _SCHEMES))
    for index, header in enumerate(action.get("httpHeaders", ())):
        if not header.get("name"):
            detail = (
                "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name',"
                " regex used for validation is '[-A-Za-z0-9]+')"
            )
            errors.append(invalid(f"{path}.httpHeaders[{index}]", "", detail))


def append_port_errors(errors: list[FieldError], port: Any, path: str) -> None:
    """Judge a port given by number or by name."""
    if isinstance(port, str):
        errors += (invalid(path, port, message) for message in names.port_name(port))
    else:
        errors += (invalid(path, port, message) for message in names.port_number(port))
