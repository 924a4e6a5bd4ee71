"""What names, label keys and values may look like, and upstream's sentences about those that do not.

Source: k8s.io/apimachinery/pkg/util/validation/validation.go.
Each function returns the messages: none when all is well.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"

_label = re.compile(_LABEL).fullmatch
_subdomain = re.compile(_SUBDOMAIN).fullmatch
_label_1035 = re.compile(_LABEL_1035).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch
_value = re.compile(_VALUE).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch
_env_name = re.compile("[ -<>-~]+").fullmatch
_port_characters = re.compile("[-a-z0-9]+").fullmatch
_letter = re.compile("[a-z]").search


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def _regex_message(rule: str, pattern: str, *examples: str) -> str:
    # Upstream's own punctuation, the double space before "or" included.
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{rule} (e.g. {listed}regex used for validation is '{pattern}')"


_LABEL_MESSAGE = _regex_message(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
    " and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_SUBDOMAIN_MESSAGE = _regex_message(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.',"
    " and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_LABEL_1035_MESSAGE = _regex_message(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-',"
    " start with an alphabetic character, and end with an alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_QUALIFIED_MESSAGE = _regex_message(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_VALUE_MESSAGE = _regex_message(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character",
    _VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_CONFIG_KEY_MESSAGE = _regex_message(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
_ENV_NAME_MESSAGE = _regex_message(
    "a valid environment variable name must consist only of printable ASCII characters other than '='",
    "^[ -<>-~]+$",
    "my.env-name",
    "MY_ENV.NAME",
    "MyEnvName1",
)


def dns_label(name: str) -> list[str]:
    """RFC 1123 label: container names, namespaces, volumes."""
    messages = [_too_long(63)] if len(name) > 63 else []
    return messages if _label(name) else [*messages, _LABEL_MESSAGE]


def dns_subdomain(name: str) -> list[str]:
    """RFC 1123 subdomain: the names of most kinds."""
    messages = [_too_long(253)] if len(name) > 253 else []
    return messages if _subdomain(name) else [*messages, _SUBDOMAIN_MESSAGE]


def dns_1035_label(name: str) -> list[str]:
    """RFC 1035 label: the names of Services."""
    messages = [_too_long(63)] if len(name) > 63 else []
    return messages if _label_1035(name) else [*messages, _LABEL_1035_MESSAGE]


@lru_cache(maxsize=4096)
def qualified_name(text: str) -> tuple[str, ...]:
    """Keys of labels and annotations, finalizers, resource names: `name` or `example.com/name`."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return (f"a qualified name {_QUALIFIED_MESSAGE} with an optional DNS subdomain prefix and '/'"
                " (e.g. 'example.com/MyName')",)  # fmt: skip
    messages: list[str] = []
    if slash:
        if not prefix:
            messages.append("prefix part must be non-empty")
        else:
            messages.extend(f"prefix part {message}" for message in dns_subdomain(prefix))
    if not name:
        messages.append("name part must be non-empty")
    elif len(name) > 63:
        messages.append(f"name part {_too_long(63)}")
    if not _qualified(name):
        messages.append(f"name part {_QUALIFIED_MESSAGE}")
    return tuple(messages)


@lru_cache(maxsize=4096)
def label_value(value: str) -> tuple[str, ...]:
    """Values of labels."""
    messages = (_too_long(63),) if len(value) > 63 else ()
    return messages if _value(value) else (*messages, _VALUE_MESSAGE)


def config_key(key: str) -> list[str]:
    """Keys in a ConfigMap's or Secret's data."""
    messages = [_too_long(253)] if len(key) > 253 else []
    if not _config_key(key):
        messages.append(_CONFIG_KEY_MESSAGE)
    if key == ".":
        messages.append("must not be '.'")
    elif key == "..":
        messages.append("must not be '..'")
    elif key.startswith(".."):
        messages.append("must not start with '..'")
    return messages


def env_name(name: str) -> list[str]:
    """Names of environment variables."""
    return [] if _env_name(name) else [_ENV_NAME_MESSAGE]


def port_name(name: str) -> list[str]:
    """IANA service names: the names of container ports."""
    messages: list[str] = []
    if len(name) > 15:
        messages.append("must be no more than 15 characters")
    if not _port_characters(name):
        messages.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _letter(name):
        messages.append("must contain at least one letter (a-z)")
    if "--" in name:
        messages.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        messages.append("must not begin or end with a hyphen")
    return messages


def port_number(number: int) -> list[str]:
    """TCP and UDP ports."""
    return [] if 1 <= number <= 65535 else ["must be between 1 and 65535, inclusive"]


def ip_address(text: str) -> list[str]:
    """An IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return []


def path_segment(name: str) -> list[str]:
    """Names that may be anything a URL path segment may be: roles and their bindings."""
    if name in {".", ".."}:
        return [f"may not be '{name}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in name]
