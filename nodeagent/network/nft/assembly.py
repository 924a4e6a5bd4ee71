"""The whole table put together from fragments, so that a change of one Service costs one Service."""

from collections.abc import Iterable
from typing import TypeVar

from nodeagent.network.nft.table import Element, Table, transaction

K = TypeVar("K")
V = TypeVar("V")


class Assembly:
    """What the table should hold, who asks for it, and what the kernel holds as far as we know.

    Owners have chains and containers of their own; elements may be claimed by several (a pod behind two Services, an
    address given to two). The first claim counts, the next takes over when it goes.
    """

    def __init__(self, table: str, base: Table) -> None:
        self.table = table
        self.applied_known = False
        """False: what the kernel holds has to be read first; `pending` would be wrong."""
        self._fragments: dict[str, Table] = {}
        self._claims: dict[Element, dict[str, str]] = {}
        self._desired = Table(dict(base.containers), dict(base.chains), dict(base.elements))
        self._base_elements = base.elements
        self._touched = Table()
        self._applied = Table()

    @property
    def desired(self) -> Table:
        return self._desired

    def fragment(self, owner: str) -> Table | None:
        return self._fragments.get(owner)

    def owners(self) -> Iterable[str]:
        return self._fragments.keys()

    def put(self, owner: str, fragment: Table | None) -> bool:
        """Set what `owner` asks for, None for nothing any more; says whether that is a change."""
        old = self._fragments.get(owner)
        if old == fragment:
            return False
        old, new = old or Table(), fragment or Table()
        for name in old.chains.keys() | new.chains.keys():
            _set(self._desired.chains, name, new.chains.get(name))
        for name in old.containers.keys() | new.containers.keys():
            _set(self._desired.containers, name, new.containers.get(name))
        for element in old.elements.keys() | new.elements.keys():
            self._claim(owner, element, new.elements.get(element))
        self._touch(old)
        self._touch(new)
        if fragment is None:
            del self._fragments[owner]
        else:
            self._fragments[owner] = fragment
        return True

    def pending(self) -> str:
        """The transaction for all changes since the last `commit`; needs `applied_known`. Raises Incompatible."""
        return transaction(_part(self._applied, self._touched), _part(self._desired, self._touched), self.table)

    def commit(self) -> None:
        """The pending transaction was applied."""
        for name in self._touched.chains:
            _set(self._applied.chains, name, self._desired.chains.get(name))
        for name in self._touched.containers:
            _set(self._applied.containers, name, self._desired.containers.get(name))
        for element in self._touched.elements:
            _set(self._applied.elements, element, self._desired.elements.get(element))
        self._touched = Table()

    def commit_whole(self) -> None:
        """The kernel now holds exactly what is desired."""
        self.applied_known = True
        self._applied = Table(dict(self._desired.containers), dict(self._desired.chains), dict(self._desired.elements))
        self._touched = Table()

    def _claim(self, owner: str, element: Element, value: str | None) -> None:
        if element in self._base_elements:
            return
        claims = self._claims.setdefault(element, {})
        _set(claims, owner, value)
        if claims:
            self._desired.elements[element] = next(iter(claims.values()))
        else:
            del self._claims[element]
            self._desired.elements.pop(element, None)

    def _touch(self, part: Table) -> None:
        self._touched.merge(part)


def _set(target: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        target.pop(key, None)
    else:
        target[key] = value


def _part(whole: Table, names: Table) -> Table:
    """Of `whole`, what `names` has too."""
    return Table(
        {name: whole.containers[name] for name in names.containers if name in whole.containers},
        {name: whole.chains[name] for name in names.chains if name in whole.chains},
        {element: whole.elements[element] for element in names.elements if element in whole.elements},
    )
