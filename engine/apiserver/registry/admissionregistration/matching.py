"""What webhooks and admission policies share: which requests they want to see, and where a webhook is."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from cryptography import x509

from apimachinery.objects.field import FieldError, invalid, not_supported, required
from engine.apiserver.registry import names
from engine.apiserver.registry.kind import Context, Json
from engine.apiserver.registry.labelselector import append_selector_errors

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_ALONE = {"apiGroups": "API groups", "apiVersions": "API versions"}
_MOST_CONDITIONS = 64


def set_rule_defaults(rules: list[Json]) -> None:
    """Fill in rules: every scope."""
    for rule in rules:
        rule["scope"] = rule.get("scope") or "*"


def append_rule_errors(errors: list[FieldError], rule: Json, path: str) -> None:
    """Judge one rule."""
    operations: list[str] = rule.get("operations", [])
    if not operations:
        errors.append(required(f"{path}.operations"))
    if len(operations) > 1 and "*" in operations:
        detail = "if '*' is present, must not specify other operations"
        errors.append(invalid(f"{path}.operations", operations, detail))
    errors += (
        not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
        for index, operation in enumerate(operations)
        if operation not in _OPERATIONS
    )
    for field in ("apiGroups", "apiVersions", "resources"):
        values: list[str] = rule.get(field, [])
        if not values:
            errors.append(required(f"{path}.{field}"))
        elif len(values) > 1 and "*" in values and field in _ALONE:
            detail = f"if '*' is present, must not specify other {_ALONE[field]}"
            errors.append(invalid(f"{path}.{field}", values, detail))
    if rule["scope"] not in _SCOPES:
        errors.append(not_supported(f"{path}.scope", rule["scope"], _SCOPES))


def append_condition_errors(errors: list[FieldError], conditions: list[Json], path: str) -> None:
    """Judge match conditions."""
    if len(conditions) > _MOST_CONDITIONS:
        detail = f"{len(conditions)}: must have at most {_MOST_CONDITIONS} items"
        errors.append(FieldError(kind="TooMany", field=path, detail=detail))
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        name: str = condition.get("name", "")
        if not name:
            errors.append(required(f"{path}[{index}].name"))
        else:
            errors += (invalid(f"{path}[{index}].name", name, message) for message in names.qualified_name(name))
            if name in seen:
                errors.append(FieldError(kind="Duplicate", field=f"{path}[{index}].name", value=name))
        seen.add(name)
        append_expression_errors(errors, condition.get("expression", ""), f"{path}[{index}].expression")


def append_expression_errors(errors: list[FieldError], source: str, path: str, absent: str = "") -> None:
    """Judge an expression in CEL: it must be there and compile."""
    if not source.strip():
        errors.append(required(path, absent))
        return
    # A second of loading: only who has expressions pays for it.
    from engine.apiserver.cel.program import CelError, compiled

    try:
        compiled(source)
    except CelError as error:
        errors.append(invalid(path, source, f"compilation failed: {error}"))


def append_selectors_errors(errors: list[FieldError], holder: Json, path: str) -> None:
    """Judge namespaceSelector and objectSelector."""
    for field in ("namespaceSelector", "objectSelector"):
        append_selector_errors(errors, holder.get(field), f"{path}.{field}")


def append_client_errors(errors: list[FieldError], client: Json, path: str) -> None:
    """Judge where a webhook is: a URL or a Service."""
    url, service, bundle = client.get("url"), client.get("service"), client.get("caBundle")
    if bundle and not _is_bundle(bundle):
        text = "unable to load root certificates: unable to parse bytes as PEM block"
        errors.append(invalid(f"{path}.caBundle", bundle, text))
    if (url is None) == (service is None):
        errors.append(required(path, "exactly one of url or service is required"))
    elif url is not None:
        _append_url_errors(errors, url, f"{path}.url")
    elif service is not None:
        errors += (
            required(f"{path}.service.{field}", f"service {field} is required")
            for field in ("name", "namespace")
            if not service.get(field)
        )
        port = service.get("port", 443)
        if not 1 <= port <= 65535:
            detail = "port is not valid: must be between 1 and 65535, inclusive"
            errors.append(invalid(f"{path}.service.port", port, detail))
        where = service.get("path")
        if where is not None and not where.startswith("/"):
            errors.append(invalid(f"{path}.service.path", where, "must start with a '/'"))


def _is_bundle(text: str) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(base64.b64decode(text)))
    except ValueError:
        return False


def _append_url_errors(errors: list[FieldError], url: str, path: str) -> None:
    form = "; desired format: https://host[/path]"
    parts = urlsplit(url)
    if parts.scheme != "https":
        errors.append(invalid(path, url, f"'https' is the only allowed URL scheme{form}"))
    if not parts.netloc:
        errors.append(invalid(path, url, f"host must be specified{form}"))
    if parts.username:
        errors.append(invalid(path, url, "user information is not permitted in the URL"))
    if parts.fragment:
        errors.append(invalid(path, url, "fragments are not permitted in the URL"))
    if parts.query:
        errors.append(invalid(path, url, "query parameters are not permitted in the URL"))


def prepare_create(obj: Json, _context: Context) -> None:
    """Count generations from one."""
    obj["metadata"]["generation"] = 1
