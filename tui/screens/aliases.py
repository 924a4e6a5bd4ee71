"""All kinds that the server has, with the names that lead to them, and the user's own words."""

from collections.abc import Sequence

from apimachinery.objects.resources import Resource
from tui.rows import Column, Row
from tui.screens.listing import ListScreen
from tui.target import Target
from tui.tones import Tone
from tui.widgets.hints import Hint


class AliasesScreen(ListScreen):
    COLUMNS = (
        Column("Resource"),
        Column("Names"),
        Column("Group"),
        Column("Version"),
        Column("Namespaced"),
        Column("Kind", priority=1),
    )
    WORD = ("kind", "kinds")

    def on_mount(self) -> None:
        super().on_mount()
        self._listed: list[Row] = []
        self._resources: dict[str, Resource] = {}
        self._renew()

    def tick(self) -> None:
        # What the server has may be learnt only now.
        self._renew()
        super().tick()

    def settings_changed(self) -> None:
        self._renew()

    def _renew(self) -> None:
        aliases, own = self.session.aliases, self.conductor.settings.current.aliases
        rows: list[Row] = []
        for resource in aliases.resources():
            names = [name for name in aliases.names_of(resource) if name != resource.plural and "." not in name]
            cells = (resource.plural, " ".join(names), resource.group, resource.version,
                     "yes" if resource.namespaced else "no", resource.kind)  # fmt: skip
            rows.append(Row(resource.qualified, "", resource.plural, cells))
            self._resources[resource.qualified] = resource
        rows += [Row(f":{name}", "", name, (name, f"→ {meant}", "", "", "", "yours")) for name, meant in own.items()]
        if [row.cells for row in rows] != [row.cells for row in self._listed]:
            self._listed = rows
            self.show_rows(rows)

    def tone(self, row: Row, column: Column, text: str) -> Tone:
        del text
        if column.name == "Resource":
            return Tone.ACCENT if row.uid.startswith(":") else Tone.KEY
        return Tone.TEXT if column.name == "Names" else Tone.MUTED

    def own_hints(self) -> Sequence[Hint]:
        return [Hint("⏎", "go there", "")]

    def entered(self, row: Row) -> None:
        if row.uid.startswith(":"):
            self.run_command(row.name)
            return
        resource = self._resources[row.uid]
        namespace = self.session.namespace if resource.namespaced else None
        self.conductor.go_to(Target(resource=resource, namespace=namespace))
