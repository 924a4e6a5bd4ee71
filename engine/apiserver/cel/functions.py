"""The functions that Kubernetes adds to CEL. Pure.

Source: k8s.io/apiserver/pkg/cel/library and cel-go/ext. The library knows no types of ours: a quantity, address or URL
is a map with a marked key, so that equal ones are equal.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from apimachinery.objects import quantity as quantities
from engine.apiserver.custom.structural import translated

Json = dict[str, Any]


def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(translated(pattern))


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match[0] for match in _regex(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


# Quantities.


def _quantity(text: str) -> Json:
    return {"quantity": str(Decimal(quantities.parse(text)).normalize())}


def _is_quantity(text: str) -> bool:
    try:
        quantities.parse(text)
    except ValueError:
        return False
    return True


def _number(value: Any) -> Decimal:
    if isinstance(value, dict):
        return Decimal(value["quantity"])
    return Decimal(value)


def _made(number: Decimal) -> Json:
    return {"quantity": str(number.normalize())}


def _greater(left: Any, right: Any) -> bool:
    if "semver" in left:
        return left["semver"] > right["semver"]
    return _number(left) > _number(right)


def _less(left: Any, right: Any) -> bool:
    return _greater(right, left)


def _compare(left: Any, right: Any) -> int:
    return _greater(left, right) - _less(left, right)


# Lists.


def _joined(values: list[str], separator: str = "") -> str:
    return separator.join(values)


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        return list(text)
    return text.split(separator, limit - 1 if limit > 0 else -1)


def _index_of(value: Any, wanted: Any, start: int = 0) -> int:
    if isinstance(value, str):
        return value.find(wanted, start)
    return next((at for at, one in enumerate(value) if one == wanted), -1)


def _last_index_of(value: Any, wanted: Any) -> int:
    if isinstance(value, str):
        return value.rfind(wanted)
    return next((at for at in range(len(value) - 1, -1, -1) if value[at] == wanted), -1)


def _slice(values: list[Any], start: int, end: int) -> list[Any]:
    return values[start:end]


def _flatten(values: list[Any]) -> list[Any]:
    return [inner for one in values for inner in (one if isinstance(one, list) else [one])]


def _distinct(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


# URLs and addresses.


def _url(text: str) -> Json:
    if not _is_url(text):
        raise ValueError(f"URL parse error during conversion from string: {text}")
    return {"url": text}


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc) or text.startswith("/")


def _host(url: Json) -> str:
    return urlsplit(url["url"]).netloc.rpartition("@")[2]


def _port(url: Json) -> str:
    port = urlsplit(url["url"]).port
    return "" if port is None else str(port)


def _ip(text: str) -> Json:
    return {"ip": str(ipaddress.ip_address(text))}


def _is_ip(text: str) -> bool:
    return not _fails(ipaddress.ip_address, text)


def _cidr(text: str) -> Json:
    return {"cidr": str(ipaddress.ip_interface(text).with_prefixlen)}


def _is_cidr(text: str) -> bool:
    return "/" in text and not _fails(ipaddress.ip_interface, text)


def _network(cidr: Json) -> Any:
    return ipaddress.ip_network(cidr["cidr"], strict=False)


def _contains_ip(cidr: Json, address: Any) -> bool:
    text = address["ip"] if isinstance(address, dict) else address
    return ipaddress.ip_address(text) in _network(cidr)


def _contains_cidr(cidr: Json, other: Any) -> bool:
    inner = _network(other if isinstance(other, dict) else {"cidr": other})
    outer = _network(cidr)
    return inner.version == outer.version and inner.subnet_of(outer)


def _fails(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return True
    return False


def _semver(text: str) -> Json:
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:-([\w.-]+))?(?:\+[\w.-]+)?", text)
    if found is None:
        raise ValueError(f"invalid semantic version: {text}")
    # A release is newer than what came before it.
    return {"semver": [int(found[1]), int(found[2]), int(found[3]), 0 if found[4] else 1, found[4] or ""]}


def _formatted(template: str, values: list[Any]) -> str:
    parts = re.split(r"%(?:\.(\d+))?([sdfexXbo%])", template)
    out, waiting = [parts[0]], iter(values)
    for at in range(1, len(parts), 3):
        precision, verb, rest = parts[at : at + 3]
        if verb == "%":
            out.append("%")
        elif verb == "s":
            out.append(_shown(next(waiting)))
        elif verb in "fe":
            out.append(f"{next(waiting):.{precision or 6}{verb}}")
        else:
            out.append(f"{next(waiting):{verb}}")
        out.append(rest)
    return "".join(out)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "find": lambda text, pattern: found[0] if (found := _regex(pattern).search(text)) else "",
    "findAll": _find_all,
    "quantity": _quantity,
    "isQuantity": _is_quantity,
    "isGreaterThan": _greater,
    "isLessThan": _less,
    "compareTo": _compare,
    "asInteger": lambda q: int(_number(q)),
    "asApproximateFloat": lambda q: float(_number(q)),
    "isInteger": lambda q: _number(q) == int(_number(q)),
    "sign": lambda q: (_number(q) > 0) - (_number(q) < 0),
    "add": lambda left, right: _made(_number(left) + _number(right)),
    "sub": lambda left, right: _made(_number(left) - _number(right)),
    "isSorted": lambda values: all(a <= b for a, b in pairwise(values)),
    "sum": sum,
    "min": min,
    "max": max,
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "slice": _slice,
    "sort": sorted,
    "reverse": lambda value: value[::-1],
    "flatten": _flatten,
    "distinct": _distinct,
    "join": _joined,
    "split": _split,
    "charAt": lambda text, at: text[at : at + 1],
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "replace": lambda text, old, new, count=-1: text.replace(old, new, count),
    "substring": lambda text, start, end=None: text[start:end],
    "trim": str.strip,
    "format": _formatted,
    "strings_quote": lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"',
    "base64_encode": lambda raw: base64.b64encode(raw).decode(),
    "base64_decode": base64.b64decode,
    "url": _url,
    "isURL": _is_url,
    "getScheme": lambda url: urlsplit(url["url"]).scheme,
    "getHost": _host,
    "getHostname": lambda url: urlsplit(url["url"]).hostname or "",
    "getPort": _port,
    "getEscapedPath": lambda url: quote(urlsplit(url["url"]).path, safe="/%"),
    "getQuery": lambda url: parse_qs(urlsplit(url["url"]).query, keep_blank_values=True),
    "ip": _ip,
    "isIP": _is_ip,
    "family": lambda ip: ipaddress.ip_address(ip["ip"]).version,
    "isLoopback": lambda ip: ipaddress.ip_address(ip["ip"]).is_loopback,
    "isUnspecified": lambda ip: ipaddress.ip_address(ip["ip"]).is_unspecified,
    "isGlobalUnicast": lambda ip: not ipaddress.ip_address(ip["ip"]).is_multicast,
    "ip_isCanonical": lambda text: str(ipaddress.ip_address(text)) == text,
    "cidr": _cidr,
    "isCIDR": _is_cidr,
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "prefixLength": lambda cidr: _network(cidr).prefixlen,
    "masked": lambda cidr: {"cidr": str(_network(cidr))},
    "semver": _semver,
    "isSemver": lambda text: not _fails(_semver, text),
    "major": lambda version: version["semver"][0],
    "minor": lambda version: version["semver"][1],
    "patch": lambda version: version["semver"][2],
    "math_greatest": lambda *values: max(values[0] if len(values) == 1 and isinstance(values[0], list) else values),
    "math_least": lambda *values: min(values[0] if len(values) == 1 and isinstance(values[0], list) else values),
    "math_abs": abs,
    "jsonpatch_escapeKey": lambda key: key.replace("~", "~0").replace("/", "~1"),
    "sets_contains": lambda big, small: all(one in big for one in small),
    "sets_equivalent": lambda a, b: all(one in b for one in a) and all(one in a for one in b),
    "sets_intersects": lambda a, b: any(one in b for one in a),
}
