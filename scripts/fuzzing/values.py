"""JSON values: such as a schema describes, and such as nothing describes."""

from collections.abc import Callable
from random import Random
from typing import Any

Json = dict[str, Any]


class Text:
    """A piece of JSON text that no value stands for: it goes into the body as it is."""

    def __init__(self, text: bytes) -> None:
        self.text = text


NAMES = ("a", "b", "web", "default", "kubernetes", "kube-system", "example.com", "new")
_PLAUSIBLE = (
    *NAMES, "RollingUpdate", "Recreate", "OnDelete", "Always", "Never", "ClusterIP", "NodePort", "TCP", "UDP", "Delete",
    "100m", "1Gi", "50%", "*/5 * * * *", "app", "v1", "apps/v1", "Pod", "ReadWriteOnce", "http", "10.43.0.7",
    "10.0.0.0/8", "fe80::1", "2024-01-01T00:00:00Z", "https://127.0.0.1:1/x", "self.x > 0", "self", "In", "Exists",
    "Europe/Berlin", "Foreground", "NoExecute", "kubernetes.io/os", "system:masters", "*", "get", "pods", "/a/b", "",
)  # fmt: skip


def nested(depth: int) -> Text:
    return Text(b'{"a":[' * (depth // 2) + b"]}" * (depth // 2))


_GARBAGE: tuple[Callable[[Random], Any], ...] = (
    lambda _: None,
    lambda r: r.choice((True, False)),
    lambda r: r.choice((0, -1, 1 << 31, 1 << 63, -(1 << 63) - 1, 1 << 64, 10**30)),
    lambda r: r.choice((0.5, -1.5, 1e308, 5e-324, 1e16)),
    lambda r: Text(r.choice((b"1" * 5000, b"-0", b"1e999", b"NaN", b"Infinity", b"0x10", b"01", b"1.", b"nul", b"'a'"))),
    lambda r: r.choice(("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\u202eabc", "\uffff", "\n", "%s%n%00", "../..")),
    lambda r: r.choice(("１２", "²", "١", "1_000", "+1", "1e3", "0x1", "-", "99999999999999999999", "true", "null", "~")),
    lambda r: r.choice(("a", "é", "\U0001f600", "/", ".", "-", "=")) * r.choice((64, 254, 5000, 200_000)),
    lambda r: r.choice(([], {}, [[]], {"": {}}, [None], {"a": None}, [{}], {"\0": 1}, {"a" * 5000: "b"})),
    lambda r: nested(r.choice((20, 200, 2000, 20_000, 200_000))),
)  # fmt: skip


def garbage(random: Random) -> Any:
    """A value that hardly any field takes."""
    return random.choice(_GARBAGE)(random)


_ALIKE: dict[type, tuple[Callable[[Random], Any], ...]] = {
    str: (
        lambda r: r.choice(_PLAUSIBLE),
        lambda r: r.choice(_PLAUSIBLE),
        lambda r: r.choice(("\0", "\ud800", "\n", "²", "é", "-", "1e3", "1.5", "-1", "0", "999999999999999999999", "1Ei", "1n", "1e99999999", "9" * 60)),
        lambda r: r.choice(("2024-13-45T99:99:99Z", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "1Gi1", "٣", "١m")),
        lambda r: r.choice(("* * 31 2 *", "@every 1h", "TZ=UTC * * * * *", "0/0 * * * *", "::ffff:1.2.3.4", "1.2.3.4/33", "fe80::1%lo", "01.2.3.4")),
        lambda r: r.choice(("(", "[a-", "(a+)+$", "self.x.y.z", "1/0 > 0", "'a'", "object.spec", "$(", "{.a[?(@.b", "..", ".spec", ".metadata.name")),
    ),
    int: (lambda r: r.choice((0, 1, -1, 2, 100, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, -(1 << 63))),),
    bool: (lambda r: r.choice((True, False)),),
    list: (lambda r: r.choice(([], [{}], [""], [None], [[]], [1])),),
    dict: (lambda r: r.choice(({}, {"a": None}, {"": ""}, {"matchLabels": {"a": 1}}, {"kind": "x"})),),
}  # fmt: skip


def alike(random: Random, value: Any) -> Any:
    """Another value of the same type, which gets further than `garbage` does."""
    makers = _ALIKE.get(type(value))
    return garbage(random) if makers is None else random.choice(makers)(random)


class Schemas:
    """Makes values that have the shape of a published type, whatever their sense."""

    def __init__(self) -> None:
        self.definitions: dict[str, Json] = {}

    def value(self, random: Random, reference: str, depth: int = 0) -> Any:
        return self._of(random, self.definitions.get(reference.rpartition("/")[2], {}), depth)

    def _of(self, random: Random, schema: Json, depth: int) -> Any:
        references = [schema, *schema.get("allOf", ())]
        reference = next((part["$ref"] for part in references if "$ref" in part), "")
        if reference:
            return self.value(random, reference, depth)
        match schema.get("type"):
            case "string":
                return self._string(random, schema)
            case "integer" | "number":
                return random.choice((0, 1, 2, 80, 8080, 65535, 65536, -1, 1 << 31))
            case "boolean":
                return random.choice((True, False))
            case "array":
                few = random.randrange(3) if depth < 7 else 0
                return [self._of(random, schema.get("items", {}), depth + 1) for _ in range(few)]
            case _:
                return self._object(random, schema, depth)

    def _object(self, random: Random, schema: Json, depth: int) -> Any:
        properties: dict[str, Json] = schema.get("properties", {})
        if not properties and "additionalProperties" in schema:
            extra = schema["additionalProperties"]
            names = random.sample(_PLAUSIBLE, random.randrange(3))
            return {name: self._of(random, extra if isinstance(extra, dict) else {}, depth + 1) for name in names}
        if not properties:
            return random.choice((*_PLAUSIBLE, 1, {}, {"a": 1}))
        share = 0.6 if depth < 2 else 0.3 if depth < 5 else 0.05
        required = schema.get("required", ())
        return {
            name: self._of(random, inner, depth + 1)
            for name, inner in properties.items()
            if name in required or random.random() < share
        }

    @staticmethod
    def _string(random: Random, schema: Json) -> Any:
        match schema.get("format"):
            case "date-time":
                return random.choice(("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.123456Z", "0001-01-01T00:00:00Z"))
            case "byte":
                return random.choice(("YQ==", "", "not base64"))
            case "int-or-string":
                return random.choice((0, 80, "http", "25%"))
            case _:
                return random.choice(_PLAUSIBLE)


def damaged(random: Random, value: Any) -> Any:
    """A copy with something wrong in one place."""
    if isinstance(value, dict) and value and random.random() < 0.93:
        key = random.choice(list(value))
        return _damaged_mapping(random, value, key)
    if isinstance(value, list) and value and random.random() < 0.93:
        at = random.randrange(len(value))
        match random.randrange(5):
            case 0:
                return [*value, *value]
            case 1:
                return [*value[:at], *value[at + 1 :]]
            case _:
                return [*value[:at], damaged(random, value[at]), *value[at + 1 :]]
    return alike(random, value) if random.random() < 0.7 else garbage(random)


def _damaged_mapping(random: Random, value: Json, key: str) -> Any:
    match random.randrange(12):
        case 0:
            return {other: inner for other, inner in value.items() if other != key}
        case 1:
            return {**value, random.choice(("unknown", key.upper(), "", "\0", "a" * 300)): garbage(random)}
        case 2:
            return {**value, key: garbage(random)}
        case 3:
            return {**value, key: [value[key]]}
        case _:
            return {**value, key: damaged(random, value[key])}
