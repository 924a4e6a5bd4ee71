"""Ingress: which HTTP hosts and paths lead to which Service."""

from __future__ import annotations

import ipaddress

import msgspec

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import columns, names, status
from engine.apiserver.registry.kind import Cell, Context, Json, Kind
from engine.apiserver.registry.views import AGE, NAME, NONE, Metadata

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDINGS = ("/..", "/.")
_HOSTS_SHOWN = 3


class _Rule(msgspec.Struct, frozen=True):
    host: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    ingress_class_name: str | None = None
    rules: list[_Rule] = []
    tls: list[msgspec.Raw] = []


class _Point(msgspec.Struct, frozen=True):
    ip: str = ""
    hostname: str = ""


class _Balancer(msgspec.Struct, frozen=True):
    ingress: list[_Point] = []


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    load_balancer: _Balancer = _Balancer()


class IngressRow(msgspec.Struct, frozen=True):
    """What the table cells read."""

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


def _hosts(view: IngressRow) -> Cell:
    hosts = [rule.host for rule in view.spec.rules if rule.host]
    shown = ",".join(hosts[:_HOSTS_SHOWN])
    if not hosts:
        return "*"
    return f"{shown} + {len(hosts) - _HOSTS_SHOWN} more..." if len(hosts) > _HOSTS_SHOWN else shown


def _address(view: IngressRow) -> Cell:
    return ",".join(point.ip or point.hostname for point in view.status.load_balancer.ingress)


def _validate(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec", {})
    errors: list[FieldError] = []
    if not spec.get("rules") and "defaultBackend" not in spec:
        errors.append(invalid("spec", spec.get("rules", []), "either `defaultBackend` or `rules` must be specified"))
    if "defaultBackend" in spec:
        _append_backend_errors(errors, spec["defaultBackend"], "spec.defaultBackend")
    for index, rule in enumerate(spec.get("rules", ())):
        _append_rule_errors(errors, rule, f"spec.rules[{index}]")
    for index, entry in enumerate(spec.get("tls", ())):
        for position, host in enumerate(entry.get("hosts", ())):
            _append_host_errors(errors, host, f"spec.tls[{index}].hosts[{position}]")
    name = spec.get("ingressClassName")
    if name is not None:
        errors += (invalid("spec.ingressClassName", name, message) for message in names.dns_subdomain(name))
    return errors


def _append_rule_errors(errors: list[FieldError], rule: Json, path: str) -> None:
    host: str = rule.get("host", "")
    if host:
        if _is_address(host):
            errors.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        _append_host_errors(errors, host, f"{path}.host")
    if "http" not in rule:
        return
    paths: list[Json] = rule["http"].get("paths", [])
    if not paths:
        errors.append(required(f"{path}.http.paths"))
    for index, entry in enumerate(paths):
        _append_path_errors(errors, entry, f"{path}.http.paths[{index}]")


def _append_host_errors(errors: list[FieldError], host: str, path: str) -> None:
    plain = host.removeprefix("*.")
    errors += (invalid(path, host, message) for message in names.dns_subdomain(plain))


def _append_path_errors(errors: list[FieldError], entry: Json, path: str) -> None:
    kind, where = entry.get("pathType"), entry.get("path", "")
    if kind is None:
        errors.append(required(f"{path}.pathType", "pathType must be specified"))
    elif kind not in _PATH_TYPES:
        errors.append(not_supported(f"{path}.pathType", kind, _PATH_TYPES))
    elif kind == "ImplementationSpecific":
        if where and not where.startswith("/"):
            errors.append(invalid(f"{path}.path", where, "must be an absolute path"))
    else:
        if not where.startswith("/"):
            errors.append(invalid(f"{path}.path", where, "must be an absolute path"))
        errors += (
            invalid(f"{path}.path", where, f"must not contain '{part}'") for part in _BAD_SEQUENCES if part in where
        )
        errors += (
            invalid(f"{path}.path", where, f"cannot end with '{part}'") for part in _BAD_ENDINGS if where.endswith(part)
        )
    _append_backend_errors(errors, entry.get("backend", {}), f"{path}.backend")


def _append_backend_errors(errors: list[FieldError], backend: Json, path: str) -> None:
    service: Json | None = backend.get("service")
    if service is not None and "resource" in backend:
        errors.append(invalid(path, "", "cannot set both resource and service backends"))
    elif service is not None:
        name, port = service.get("name", ""), service.get("port", {})
        if not name:
            errors.append(required(f"{path}.service.name"))
        else:
            errors += (invalid(f"{path}.service.name", name, message) for message in names.dns_1035_label(name))
        if port.get("name") and port.get("number"):
            errors.append(invalid(path, "", "cannot set both port name & port number"))
        elif port.get("name"):
            errors += (
                invalid(f"{path}.service.port.name", port["name"], message) for message in names.port_name(port["name"])
            )
        elif port.get("number"):
            errors += (
                invalid(f"{path}.service.port.number", port["number"], message)
                for message in names.port_number(port["number"])
            )
        else:
            errors.append(required(path, "port name or number is required"))
    elif "resource" not in backend:
        errors.append(required(path, "resource or service backend is required"))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _admit(obj: Json, context: Context) -> None:
    """Do what the admission plugin DefaultIngressClass does."""
    spec: Json = obj.setdefault("spec", {})
    if "ingressClassName" in spec or CLASS_ANNOTATION in obj["metadata"].get("annotations", {}):
        return
    marked = [
        item["metadata"]
        for item in context.find("networking.k8s.io", "ingressclasses", "")
        if item["metadata"].get("annotations", {}).get(_DEFAULT_CLASS) == "true"
    ]
    marked.sort(key=lambda meta: meta["name"])
    if marked:
        newest = max(meta["creationTimestamp"] for meta in marked)
        spec["ingressClassName"] = next(meta["name"] for meta in marked if meta["creationTimestamp"] == newest)


def _prepare_create(obj: Json, _context: Context) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {"loadBalancer": {}}


INGRESS = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="Ingress",
    plural="ingresses",
    singular="ingress",
    namespaced=True,
    short_names=("ing",),
    storage="ingress",
    subresources={"status": status.STATUS},
    name_errors=names.dns_subdomain,
    admit=_admit,
    validate=_validate,
    prepare_create=_prepare_create,
    prepare_update=status.change_without,
    table_view=IngressRow,
    columns=(
        NAME,
        columns.text(
            "Class",
            lambda view: NONE if view.spec.ingress_class_name is None else view.spec.ingress_class_name,
            "The name of the IngressClass resource that should be used for additional configuration",
        ),
        columns.text("Hosts", _hosts, "Hosts that incoming requests are matched against before the ingress rule"),
        columns.text("Address", _address, "Address is a list containing ingress points for the load-balancer"),
        columns.text(
            "Ports", lambda view: "80, 443" if view.spec.tls else "80", "Ports of TLS configurations that open"
        ),
        AGE,
    ),
)
