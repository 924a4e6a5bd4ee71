"""What stands between an admitted object and the store: rules about who writes what, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from apimachinery.objects.errors import Forbidden
from engine.apiserver.registry.kind import Context, Kind
from engine.apiserver.request import User

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """A write on its way. No `old`: a create; no `new`: a delete. `connects`: a conversation, `new` its options."""

    user: User
    kind: Kind
    subresource: str
    namespace: str
    name: str
    new: Json | None
    old: Json | None
    context: Context
    connects: bool = False
    requested: Kind | None = None
    """The kind that the client named, where `kind` is another that shows the same object."""
    object_type: tuple[str, str, str] | None = None
    """(group, version, kind) of the object, where it is not `kind`'s own: at scale, eviction, binding."""

    def forbidden(self, text: str) -> Forbidden:
        """Upstream's refusal of this write."""
        kind = self.kind
        named = f'{kind.group_resource} "{self.name}"' if self.name else kind.group_resource
        details = {"name": self.name, "kind": kind.plural, "group": kind.group}
        return Forbidden(
            f"{named} is forbidden: {text}", details={key: value for key, value in details.items() if value}
        )


class Guard(Protocol):
    """Judges writes from memory: never waits, never changes the object."""

    def check(self, write: Write) -> None:
        """Raises StatusError."""
        ...
