"""Validation of a whole pod spec."""

from __future__ import annotations

from collections.abc import Mapping

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Json
from engine.apiserver.registry.podspec.containers import append_container_errors, append_security_errors
from engine.apiserver.registry.podspec.placement import append_placement_errors
from engine.apiserver.registry.podspec.volumes import append_volume_errors

_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
NO_VOLUMES: Mapping[str, Json] = {}
_LONGEST_DEADLINE = 2**31 - 1


def append_spec_errors(
    errors: list[FieldError], spec: Json, path: str, claimed: Mapping[str, Json] = NO_VOLUMES
) -> None:
    """Judge a pod spec, its defaults being set. `claimed`: volumes that its pods will get besides, by name."""
    volumes = {**claimed, **append_volume_errors(errors, spec.get("volumes", []), f"{path}.volumes")}
    append_container_errors(errors, spec, volumes, path)
    _append_choice_errors(errors, spec, path)
    _append_dns_errors(errors, spec, path)
    append_placement_errors(errors, spec, path)
    append_security_errors(errors, spec.get("securityContext", {}), f"{path}.securityContext")
    account = spec.get("serviceAccountName", "")
    if account:
        errors += (invalid(f"{path}.serviceAccountName", account, message) for message in names.dns_subdomain(account))
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            errors += (invalid(f"{path}.{field}", spec[field], message) for message in names.dns_label(spec[field]))
    _append_time_errors(errors, spec, path)
    for index, alias in enumerate(spec.get("hostAliases", ())):
        address = alias.get("ip", "")
        errors += (
            invalid(f"{path}.hostAliases[{index}].ip", address, message) for message in names.ip_address(address)
        )
    for index, gate in enumerate(spec.get("readinessGates", ())):
        condition = gate.get("conditionType", "")
        errors += (
            invalid(f"{path}.readinessGates[{index}].conditionType", condition, message)
            for message in names.qualified_name(condition)
        )
    priority_class = spec.get("priorityClassName", "")
    if priority_class:
        errors += (
            invalid(f"{path}.priorityClassName", priority_class, message)
            for message in names.dns_subdomain(priority_class)
        )


def _append_choice_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    for field, supported in (("restartPolicy", _RESTART_POLICIES), ("dnsPolicy", _DNS_POLICIES)):
        value = spec.get(field)
        if not value:
            errors.append(required(f"{path}.{field}"))
        elif value not in supported:
            errors.append(not_supported(f"{path}.{field}", value, supported))


def _append_dns_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    config: Json = spec.get("dnsConfig", {})
    here = f"{path}.dnsConfig"
    servers: list[str] = config.get("nameservers", [])
    if spec.get("dnsPolicy") == "None":
        if "dnsConfig" not in spec:
            errors.append(required(here, "must provide `dnsConfig` when `dnsPolicy` is None"))
        elif not servers:
            errors.append(
                required(f"{here}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")
            )
    if len(servers) > 3:
        errors.append(invalid(f"{here}.nameservers", servers, "must not have more than 3 nameservers"))
    for index, server in enumerate(servers):
        errors += (invalid(f"{here}.nameservers[{index}]", server, message) for message in names.ip_address(server))
    if len(config.get("searches", ())) > 32:
        errors.append(invalid(f"{here}.searches", config["searches"], "must not have more than 32 search paths"))
    errors += (
        required(f"{here}.options[{index}]", "must not be empty")
        for index, option in enumerate(config.get("options", ()))
        if not option.get("name")
    )


def _append_time_errors(errors: list[FieldError], spec: Json, path: str) -> None:
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than or equal to 0"))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _LONGEST_DEADLINE:
        detail = f"must be between 1 and {_LONGEST_DEADLINE}, inclusive"
        errors.append(invalid(f"{path}.activeDeadlineSeconds", deadline, detail))
