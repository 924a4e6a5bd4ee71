"""Where the person can go: a view of one scope. What drill-downs, commands and the history are made of. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from apimachinery.objects.resources import PODS, ROLES, SECRETS, Resource


class View(StrEnum):
    TABLE = "table"
    CONTAINERS = "containers"
    DESCRIBE = "describe"
    YAML = "yaml"
    LOGS = "logs"
    ROLLOUT = "rollout"
    WHY = "why"
    XRAY = "xray"
    FORWARDS = "port-forwards"
    PULSES = "pulses"
    CONTEXTS = "contexts"
    USAGE = "usage"
    HELM = "helm"
    CAN = "can"
    WHO = "who"
    PAST = "past"
    WHATIF = "whatif"
    ALIASES = "aliases"
    DUMPS = "dumps"
    WORKLOADS = "workloads"
    USERS = "users"
    GROUPS = "groups"
    HEALTH = "health"
    FOLDER = "dir"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`namespace` None means all of them (or a kind without). `title` is the crumb; empty means the kind's name."""

    resource: Resource
    view: View = View.TABLE
    namespace: str | None = None
    name: str = ""
    container: str = ""
    label_selector: str = ""
    field_selector: str = ""
    filter: str = ""
    title: str = ""
    previous: bool = False
    context: str = ""
    """The cluster, where it is another than the one in front."""
    clusters: tuple[str, ...] = ()
    """Contexts whose objects make one table, patterns among them."""

    @property
    def table_key(self) -> tuple[object, ...]:
        """The same for all targets that show the same rows."""
        return (
            self.resource.qualified, self.namespace, self.label_selector, self.field_selector, self.clusters
        )  # fmt: skip

    @property
    def crumb(self) -> str:
        return self.title or self.resource.plural

    @property
    def scoped(self) -> bool:
        """Shows a part of its kind that belongs to something, not the kind as such."""
        return bool(self.label_selector or self.field_selector or self.name)


LOCAL_PAGES = frozenset({View.FOLDER, View.DUMPS})
"""Pages of files on this computer."""
SCOPED_PAGES = frozenset({View.HELM, View.WORKLOADS})
"""Pages that show what is in a namespace, or in all."""

PAGES: dict[View, Target] = {
    View.FORWARDS: Target(resource=PODS, view=View.FORWARDS, title="port-forwards"),
    View.PULSES: Target(resource=PODS, view=View.PULSES, title="pulses"),
    View.HELM: Target(resource=SECRETS, view=View.HELM, title="helm"),
    View.CAN: Target(resource=ROLES, view=View.CAN, title="can"),
    View.WHO: Target(resource=ROLES, view=View.WHO, title="who"),
    View.CONTEXTS: Target(resource=PODS, view=View.CONTEXTS, title="contexts"),
    View.ALIASES: Target(resource=PODS, view=View.ALIASES, title="aliases"),
    View.DUMPS: Target(resource=PODS, view=View.DUMPS, title="saved files"),
    View.WORKLOADS: Target(resource=PODS, view=View.WORKLOADS, title="workloads"),
    View.USERS: Target(resource=ROLES, view=View.USERS, title="users"),
    View.HEALTH: Target(resource=PODS, view=View.HEALTH, title="health"),
    View.FOLDER: Target(resource=PODS, view=View.FOLDER, title="folder"),
    View.GROUPS: Target(resource=ROLES, view=View.GROUPS, title="groups"),
}
"""Views of no object in particular: each is reached by a word of the command line, its own name."""
