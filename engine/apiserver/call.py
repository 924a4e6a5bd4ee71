"""One request on its way through the pipe, with what has been found out about it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.apiserver.negotiate import Form
from engine.apiserver.registry.kind import Context, Kind, Subresource
from engine.apiserver.request import Request
from engine.apiserver.route import Route
from engine.apiserver.schema.decode import FieldValidation, TypeMeta


@dataclass(slots=True)
class Call:
    """What every verb gets."""

    request: Request
    route: Route
    kind: Kind
    subresource: Subresource | None
    form: Form
    context: Context
    validation: FieldValidation

    @property
    def key(self) -> str:
        """The storage key of the object that the request names."""
        return self.kind.key(self.route.namespace, self.route.name)

    @property
    def now(self) -> float:
        """When the request came, in seconds of the epoch."""
        return self.context.now.timestamp()

    @property
    def parent_type(self) -> TypeMeta:
        """The kind's own type."""
        kind = self.kind
        return TypeMeta(kind.group, kind.version, kind.kind, kind.decoder)

    @property
    def type_meta(self) -> TypeMeta:
        """The type that the body has: the kind's own, or the subresource's."""
        sub, kind = self.subresource, self.kind
        if sub is None or not sub.kind:
            return self.parent_type
        return TypeMeta(kind.group if sub.group is None else sub.group, sub.version or kind.version, sub.kind)
