"""By what pods that say nothing about spreading are spread: the selectors of the Services and sets they belong to.

Source: DefaultSelector in pkg/scheduler/framework/plugins/helper/spread.go.
"""

from collections.abc import Mapping

from apimachinery.objects.meta import key
from apimachinery.objects.selectors import Requirement, Selector, from_label_selector, from_labels
from engine.scheduler.profile import DefaultSpread
from engine.scheduler.shape import Shape
from engine.scheduler.terms import Spread
from engine.scheduler.views import Owner, Service


class Owners:
    """Services by namespace; selectors of ReplicaSets, StatefulSets and ReplicationControllers by kind and name."""

    def __init__(self) -> None:
        self._services: dict[str, dict[str, Mapping[str, str]]] = {}
        self._sets: dict[tuple[str, str], Selector] = {}
        self._known: dict[Shape, tuple[Selector, int]] = {}
        self._version = 0

    def service_changed(self, old: Service | None, new: Service | None) -> None:
        one = new or old
        if one is None:
            return
        here = self._services.setdefault(one.metadata.namespace, {})
        if new is None or not new.spec.selector:
            here.pop(one.metadata.name, None)
        else:
            here[one.metadata.name] = new.spec.selector
        self._version += 1

    def controller_changed(self, old: Service | None, new: Service | None) -> None:
        """A ReplicationController."""
        selector = from_labels(new.spec.selector) if new is not None and new.spec.selector else None
        self._set_changed("ReplicationController", old or new, selector)

    def set_changed(self, kind: str, old: Owner | None, new: Owner | None) -> None:
        self._set_changed(kind, old or new, from_label_selector(new.spec.selector) if new is not None else None)

    def _set_changed(self, kind: str, one: Owner | Service | None, selector: Selector | None) -> None:
        if one is None:
            return
        if selector is None:
            self._sets.pop((kind, key(one)), None)
        else:
            self._sets[kind, key(one)] = selector
        self._version += 1

    def spreads(self, shape: Shape, defaults: tuple[DefaultSpread, ...], *, hard: bool) -> tuple[Spread, ...]:
        """The default constraints as they apply to pods of this shape; none for pods that belong to nothing."""
        wanted = [one for one in defaults if one.hard is hard]
        if not wanted:
            return ()
        selector = self.selector(shape)
        if selector.everything:
            return ()
        return tuple(Spread(key=one.key, max_skew=one.max_skew, selector=selector) for one in wanted)

    def selector(self, shape: Shape) -> Selector:
        known = self._known.get(shape)
        if known is not None and known[1] == self._version:
            return known[0]
        labels = shape.kind.labels
        requirements: dict[Requirement, None] = {}
        for wanted in self._services.get(shape.kind.namespace, {}).values():
            if wanted.items() <= labels.items():
                requirements |= dict.fromkeys(from_labels(wanted).requirements)
        if shape.owner is not None:
            kind, name = shape.owner
            of_set = self._sets.get((kind, f"{shape.kind.namespace}/{name}"))
            if of_set is not None and not of_set.nothing:
                requirements |= dict.fromkeys(of_set.requirements)
        selector = Selector(tuple(requirements))
        if len(self._known) > 1024:
            self._known.clear()
        self._known[shape] = selector, self._version
        return selector
