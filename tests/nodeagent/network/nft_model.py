"""A strict model of the kernel's nft: applies our transactions to a table held as data, and refuses what nft refuses."""

import re

from nodeagent.network.nft.table import Chain, Container, Table

_REFERENCE = re.compile(r"(?:goto|jump) ([\w./-]+)")
_LOOKUP = re.compile(r"@([\w./-]+)")


class Refused(Exception):
    pass


class Model:
    def __init__(self, table: Table | None = None) -> None:
        start = table or Table()
        self.containers = dict(start.containers)
        self.rules = {name: list(chain.rules) for name, chain in start.chains.items()}
        self.hooks = {name: chain.hook for name, chain in start.chains.items()}
        self.elements = dict(start.elements)

    def apply(self, text: str) -> None:
        for line in text.splitlines():
            self._line(line)
        self._check_references()

    def table(self) -> Table:
        chains = {name: Chain.of(*rules, hook=self.hooks[name]) for name, rules in self.rules.items()}
        return Table(self.containers, chains, self.elements)

    def _line(self, line: str) -> None:  # noqa: C901 - one case for each statement
        verb, kind, _family, _table, *rest = line.split(" ", 4)
        words = rest[0] if rest else ""
        name, _, body = words.partition(" ")
        match verb, kind:
            case ("add", "table"):
                pass
            case ("delete", "table"):
                self.__init__()
            case ("add", "set" | "map"):
                self._need(name not in self.containers, f"{name} exists")
                found = re.fullmatch(
                    r"\{ type ([^;]+);(?: size 65535; flags dynamic,timeout; timeout (\d+)s;)? \}", body
                )
                self._need(found is not None and (" : " in found[1]) == (kind == "map"), line)
                assert found is not None
                self.containers[name] = Container(found[1], int(found[2] or 0))
            case ("add", "chain"):
                self._need(name not in self.rules, f"{name} exists")
                self.rules[name] = []
                self.hooks[name] = body.removeprefix("{ ").removesuffix("; }")
            case ("add", "rule"):
                rule, _, comment = body.rpartition(" comment ")
                self._need(bool(rule) and len(comment) == 10, "no comment")
                self.rules[name].append(rule)
                self._check_references()
            case ("flush", "chain"):
                self.rules[name] = []
            case ("delete", "chain"):
                self._need(not self.rules[name], f"{name} has rules")
                del self.rules[name], self.hooks[name]
                self._check_references()
            case ("flush", "set" | "map"):
                self.elements = {e: v for e, v in self.elements.items() if e[0] != name}
            case ("delete", "set" | "map"):
                del self.containers[name]
                self.elements = {e: v for e, v in self.elements.items() if e[0] != name}
                self._check_references()
            case ("add", "element"):
                for key, value in self._pairs(body):
                    self._need(self.elements.get((name, key), value) == value, f"{key} exists")
                    self._need(name in self.containers, f"no {name}")
                    self.elements[name, key] = value
                self._check_references()
            case ("delete", "element"):
                for key, _ in self._pairs(body):
                    del self.elements[name, key]
            case _:
                raise Refused(line)

    def _pairs(self, body: str) -> list[tuple[str, str]]:
        inside = body.removeprefix("{ ").removesuffix(" }")
        return [(key, value) for key, _, value in (item.partition(" : ") for item in inside.split(", "))]

    def _check_references(self) -> None:
        for rules in self.rules.values():
            for rule in rules:
                for target in _REFERENCE.findall(rule):
                    self._need(target in self.rules, f"rule {rule}: no chain {target}")
                for used in _LOOKUP.findall(rule):
                    self._need(used in self.containers, f"rule {rule}: no set {used}")
        for value in self.elements.values():
            for target in _REFERENCE.findall(value):
                self._need(target in self.rules, f"element {value}: no chain {target}")

    def _need(self, condition: bool, why: str) -> None:
        if not condition:
            raise Refused(why)
