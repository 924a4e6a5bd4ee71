"""Namespaces."""

from apimachinery.objects.resources import NAMESPACES, PODS
from tui.kinds.generic import describe
from tui.kinds.lens import ANY_OBJECT, Action, Lens
from tui.kinds.words import general_tone
from tui.rows import Row
from tui.target import Target


def drill(row: Row) -> Target:
    return Target(resource=PODS, namespace=row.name)


LENS = Lens(
    resource=NAMESPACES,
    tone=general_tone,
    describe=describe,
    actions=ANY_OBJECT | {Action.USE, Action.PIN},
    drill=drill,
    enter_word="pods",
)
