"""A lens: what the screen knows about a kind beyond its Table. One per file of this package; no Textual here."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from apimachinery.objects.resources import Resource
from tui.document import Document
from tui.rows import Column, Row
from tui.target import Target
from tui.tones import Tone

JSON = dict[str, Any]


class Action(StrEnum):
    """What can be done to a row. Each has one key, the same for every kind (screens/keys.py)."""

    DESCRIBE = "describe"
    YAML = "yaml"
    DELETE = "delete"
    COPY = "copy"
    LOGS = "logs"
    PREVIOUS = "previous"
    SHELL = "shell"
    RESTART = "restart"
    SCALE = "scale"
    IMAGE = "image"
    ROLLOUT = "rollout"
    USE = "use"
    WHY = "why"
    EDIT = "edit"
    OWNER = "owner"
    NODE = "node"
    CORDON = "cordon"
    DRAIN = "drain"
    WHATIF = "whatif"
    SUSPEND = "suspend"
    TRIGGER = "trigger"
    XRAY = "xray"
    FORWARD = "forward"
    FORWARDS = "forwards"
    PIN = "pin"
    TEACH = "teach"
    MACHINE = "machine"
    ATTACH = "attach"
    DEBUG = "debug"
    TRANSFER = "transfer"
    SANITIZE = "sanitize"
    COPY_NAMESPACE = "copy-namespace"
    WARP = "warp"


ANY_OBJECT = frozenset(
    {
        Action.TEACH,
        Action.DESCRIBE,
        Action.YAML,
        Action.WHY,
        Action.XRAY,
        Action.OWNER,
        Action.EDIT,
        Action.DELETE,
        Action.COPY,
        Action.COPY_NAMESPACE,
        Action.WARP,
    }
)


FORWARDING = frozenset({Action.FORWARD, Action.FORWARDS})
"""Of pods, and of what stands for pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a description may look at besides the object: its events, newest last, and the time (epoch seconds)."""

    now: float
    events: tuple[JSON, ...] = ()
    reveal: bool = False
    """Show what is secret."""


Drill = Callable[[Row], Target]
ObjectDrill = Callable[[JSON], Target | None]
Describe = Callable[[JSON, Facts], Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """`drill` needs only the row; `drill_object` the whole object, which is then fetched first.

    `sort` names the column (and whether descending) that the kind's table starts with.
    """

    resource: Resource
    tone: Callable[[Row, Column, str], Tone]
    describe: Describe
    actions: frozenset[Action] = ANY_OBJECT
    drill: Drill | None = None
    drill_object: ObjectDrill | None = None
    enter_word: str = "describe"
    sort: tuple[str, bool] | None = None
    preferred: frozenset[str] = frozenset()
    """Columns of the wide view to show first where there is room for some."""
    spared: frozenset[str] = frozenset()
    """Columns that keep their width as long as others can give way."""
    measured: bool = False
    """metrics.k8s.io tells what each uses."""
    pod_selector: ObjectDrill | None = None
    """For kinds that stand for pods: the pods of an object (logs of all of them)."""
