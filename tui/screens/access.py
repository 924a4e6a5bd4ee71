"""What one may do (`:can`), what somebody may (`:can u:ann`), and who may do a thing (`:who delete pods`)."""

from collections import Counter
from collections.abc import Sequence

from apimachinery.client.errors import ConnectionFailed
from apimachinery.objects.errors import StatusError
from apimachinery.objects.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    ROLEBINDINGS,
    ROLES,
    Resource,
)
from tui.document import Line
from tui.feeds.state import FeedState, Phase
from tui.kinds.access import VERBS, Grant, Policy, marks, parse_subject, policy
from tui.rows import Column, Row
from tui.screens.listing import ListScreen
from tui.target import Target, View
from tui.tones import Tone
from tui.widgets.hints import Hint

PAGE = 500


class _AccessScreen(ListScreen):
    def on_mount(self) -> None:
        super().on_mount()
        self.reconnect()

    def reconnect(self) -> None:
        self.run_worker(self._load(), group="load", exclusive=True)

    async def _load(self) -> None:
        try:
            await self.load()
            self.set_state(FeedState(phase=Phase.LIVE))
        except (StatusError, ConnectionFailed) as error:
            code = error.code if isinstance(error, StatusError) else 0
            self.set_state(FeedState(phase=Phase.REFUSED if code else Phase.CONNECTING, detail=str(error), code=code))
            self.say(str(error), Tone.BAD)

    async def load(self) -> None:
        raise NotImplementedError

    def say(self, words: str, tone: Tone = Tone.MUTED) -> None:
        lines: list[Line] = [((words[at : at + 76], tone),) for at in range(0, len(words), 76)]
        self.table.show_placeholder(lines)

    async def policy(self) -> Policy:
        """Every role and binding there is."""
        found: dict[str, list[dict[str, object]]] = {}
        for resource in (CLUSTERROLES, ROLES, CLUSTERROLEBINDINGS, ROLEBINDINGS):
            found[resource.plural] = await self._all(resource)
        return policy(
            [*found["clusterroles"], *found["roles"]], [*found["clusterrolebindings"], *found["rolebindings"]]
        )

    async def _all(self, resource: Resource) -> list[dict[str, object]]:
        items: list[dict[str, object]] = []
        after = ""
        while True:
            page = await self.session.client.list(resource, limit=PAGE, continue_=after)
            items += page.items
            after = page.continue_
            if not after:
                return items

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("^r", "read anew", "reconnect")]


class CanScreen(_AccessScreen):
    """A matrix of kinds and verbs: ours by the server's word, others' by roles and bindings."""

    COLUMNS = (
        Column("Resource"),
        Column("Group"),
        *(Column("Del-list" if verb == "deletecollection" else verb.capitalize()) for verb in VERBS),
        Column("Others"),
        Column("Only", description="The only names that it holds for"),
        Column("Where"),
        Column("By", priority=1),
    )
    WORD = ("rule", "rules")

    async def load(self) -> None:
        asked = self.target.name
        if not asked:
            await self._ours()
            return
        if asked.startswith("role:"):
            namespace, _, name = asked.removeprefix("role:").rpartition("/")
            rules = (await self.policy()).roles.get((namespace, name))
            grants = [Grant(rule=rule, role=name, binding="", namespace=namespace) for rule in rules or ()]
            self.show_rows([row for number, grant in enumerate(grants) for row in _rows(number, grant)])
            if not grants:
                self.say(f"{name} has no rules." if rules is not None else f"There is no role {name}.")
            return
        subject = parse_subject(asked)
        if subject is None:
            self.say(f'"{asked}": write u:NAME, g:NAME or s:NAMESPACE/NAME', Tone.WARN)
            return
        grants = (await self.policy()).of(subject)
        self.show_rows([row for number, grant in enumerate(grants) for row in _rows(number, grant)])
        if not grants:
            self.say(f"No role is bound to {subject.words}.")

    async def _ours(self) -> None:
        namespace = self.session.namespace
        rules = await self.session.permissions.learn(namespace)
        where = namespace or "default"
        grants = [Grant(rule=rule, role="", binding="", namespace=where) for rule in rules.rules]
        self.show_rows([row for number, grant in enumerate(grants) for row in _rows(number, grant)])
        if rules.incomplete:
            self.notify("The server could not tell everything; there may be more.", severity="warning")

    def own_crumbs(self, *, first: bool) -> list[str]:
        del first
        if self.target.name.startswith("role:"):
            return [f"what {self.target.title} allows"]
        return [f"what {self.target.name or 'you'} may do"]

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        del row
        if text == "✓":
            return Tone.OK
        return Tone.TEXT if column.name == "Resource" else Tone.MUTED


class WhoScreen(_AccessScreen):
    """`VERB RESOURCE [NAMESPACE]`."""

    COLUMNS = (Column("Who"), Column("Where"), Column("Role"), Column("Binding"), Column("Only"))
    WORD = ("subject", "subjects")

    async def load(self) -> None:
        words = self.target.name.split()
        if len(words) < 2:
            self.say("Write :who VERB KIND [NAMESPACE], as in :who delete pods shop", Tone.WARN)
            return
        verb, kind, *rest = words
        plain, slash, subresource = kind.partition("/")
        resource = self.session.aliases.resolve(plain)
        if resource is None:
            self.say(f'The server has no kind named "{plain}".', Tone.WARN)
            return
        namespace = rest[0] if rest else self.session.namespace or ""
        grants = (await self.policy()).who_can(
            verb.lower(), resource.group, f"{resource.plural}{slash}{subresource}", namespace
        )
        self.show_rows([_who(number, grant) for number, grant in enumerate(grants)])
        if not grants:
            self.say(f"No role lets anybody {verb} {kind}; system:masters may do anything.")

    def own_crumbs(self, *, first: bool) -> list[str]:
        del first
        return [f"who can {self.target.name}"]

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        del row, text
        return Tone.TEXT if column.name == "Who" else Tone.MUTED


class SubjectsScreen(_AccessScreen):
    """Who is bound to any role: users with the accounts of pods, or groups. Enter tells what one may do."""

    COLUMNS = (Column("Name"), Column("Kind"), Column("Namespace"), Column("Bindings", "integer"))
    WORD = ("subject", "subjects")

    async def load(self) -> None:
        wanted = ("Group",) if self.target.view is View.GROUPS else ("User", "ServiceAccount")
        count = Counter(
            (subject.get("kind", ""), subject.get("namespace", ""), subject.get("name", ""))
            for binding in (await self.policy()).bindings
            for subject in binding.get("subjects") or ()
            if subject.get("kind") in wanted
        )
        self.show_rows([
            Row(f"{kind}/{namespace}/{name}", namespace, name, (name, kind, namespace, times))
            for (kind, namespace, name), times in sorted(count.items())
        ])  # fmt: skip

    def entered(self, row: Row) -> None:
        kind = str(row.cells[1])
        asked = {"User": f"u:{row.name}", "Group": f"g:{row.name}"}.get(kind, f"s:{row.namespace}/{row.name}")
        self.conductor.open_target(Target(resource=self.target.resource, view=View.CAN, name=asked, title=asked))

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("⏎", "what it may do", ""), *super().own_hints()]

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        del row, text
        return Tone.TEXT if column.name == "Name" else Tone.MUTED


def _rows(number: int, grant: Grant) -> list[Row]:
    rule = grant.rule
    by = f"{grant.role} by {grant.binding}" if grant.role and grant.binding else grant.role
    names = " ".join(rule.resource_names)
    return [
        Row(
            f"{number}/{group}/{resource}", "", resource,
            (resource, group, *marks(rule.verbs), names, grant.namespace or "everywhere", by),
        )
        for group in rule.api_groups or ("",)
        for resource in rule.resources
    ]  # fmt: skip


def _who(number: int, grant: Grant) -> Row:
    names = " ".join(grant.rule.resource_names)
    cells = (grant.subject, grant.namespace or "everywhere", grant.role, grant.binding, names)
    return Row(str(number), "", grant.subject, cells)
