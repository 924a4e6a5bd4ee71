"""An nft table as plain data, and the one transaction that turns one table into another.

Only what this package writes can be said: containers (sets and maps) with a type, chains of rules, elements. Rules
carry a digest of their text as comment, so that a table read back from the kernel can be compared without
understanding how nft prints a rule.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

Element = tuple[str, str]
"""(container, key); the key as nft prints it: `10.43.0.1 . tcp . 443`."""


class Incompatible(Exception):
    """A container's type or a chain's hook differs: nft cannot change these, the table must be replaced."""


def digest(rule: str) -> str:
    return f"{zlib.crc32(rule.encode()):08x}"


@dataclass(frozen=True, slots=True)
class Container:
    """A set, or a map when `type` has a colon. With a `timeout` (seconds) the kernel fills it by itself."""

    type: str
    timeout: int = 0

    def declaration(self, name: str) -> str:
        kind = "map" if " : " in self.type else "set"
        learned = f" size 65535; flags dynamic,timeout; timeout {self.timeout}s;" if self.timeout else ""
        return f"add {kind} {{table}} {name} {{{{ type {self.type};{learned} }}}}"

    @property
    def kind(self) -> str:
        return "map" if " : " in self.type else "set"


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules in order. Chains with a `hook` are entered by the kernel. Equal when hook and rules' digests are."""

    digests: tuple[str, ...]
    hook: str = ""
    rules: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, *rules: str, hook: str = "") -> "Chain":
        return cls(tuple(digest(rule) for rule in rules), hook, rules)


@dataclass(slots=True)
class Table:
    """All of a table, or the part of it that one Service owns."""

    containers: dict[str, Container] = field(default_factory=dict[str, Container])
    chains: dict[str, Chain] = field(default_factory=dict[str, Chain])
    elements: dict[Element, str] = field(default_factory=dict[Element, str])
    """Values of map elements; empty text for elements of sets."""

    def merge(self, other: "Table") -> None:
        """Take over what `other` has; elements already here stay as they are."""
        self.containers |= other.containers
        self.chains |= other.chains
        self.elements = other.elements | self.elements


def transaction(old: Table, new: Table, table: str) -> str:
    """Text for `nft -f -` that turns `old` into `new` atomically; empty when nothing differs.

    `table` is family and name. Creates before it refers and unlinks before it deletes. Raises Incompatible.
    """
    _check(old, new)
    lines: list[str] = []
    lines += [
        body.declaration(name).format(table=table)
        for name, body in new.containers.items()
        if name not in old.containers
    ]
    lines += [_chain_declaration(table, name, body) for name, body in new.chains.items() if name not in old.chains]
    for name, body in new.chains.items():
        before = old.chains.get(name)
        if before == body:
            continue
        if before is not None:
            lines.append(f"flush chain {table} {name}")
        lines += [f'add rule {table} {name} {rule} comment "{digest(rule)}"' for rule in body.rules]
    gone_containers = old.containers.keys() - new.containers.keys()
    removed = [e for e, value in old.elements.items() if new.elements.get(e) != value and e[0] not in gone_containers]
    lines += _elements("delete", table, ((element, "") for element in removed))
    lines += _elements("add", table, ((e, value) for e, value in new.elements.items() if old.elements.get(e) != value))
    gone_chains = sorted(old.chains.keys() - new.chains.keys())
    # A container that goes is emptied first: its verdicts may hold on to chains that go with it.
    lines += [f"flush {old.containers[name].kind} {table} {name}" for name in sorted(gone_containers)]
    lines += [f"flush chain {table} {name}" for name in gone_chains]
    lines += [f"delete chain {table} {name}" for name in gone_chains]
    lines += [f"delete {old.containers[name].kind} {table} {name}" for name in sorted(gone_containers)]
    return "\n".join(lines) + "\n" if lines else ""


def replacement(new: Table, table: str) -> str:
    """Text that puts `new` in place of whatever the table held, atomically."""
    return f"add table {table}\ndelete table {table}\nadd table {table}\n" + transaction(Table(), new, table)


def _check(old: Table, new: Table) -> None:
    for name in old.containers.keys() & new.containers.keys():
        if old.containers[name] != new.containers[name]:
            raise Incompatible(f"{new.containers[name].kind} {name}")
    for name in old.chains.keys() & new.chains.keys():
        if old.chains[name].hook != new.chains[name].hook:
            raise Incompatible(f"chain {name}")


def _chain_declaration(table: str, name: str, body: Chain) -> str:
    return f"add chain {table} {name}" + (f" {{ {body.hook}; }}" if body.hook else "")


def _elements(verb: str, table: str, elements: Iterable[tuple[Element, str]]) -> list[str]:
    by_container: dict[str, list[str]] = {}
    for (container, key), value in elements:
        by_container.setdefault(container, []).append(f"{key} : {value}" if value else key)
    return [f"{verb} element {table} {name} {{ {', '.join(items)} }}" for name, items in by_container.items()]
