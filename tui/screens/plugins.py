"""The user's own programs, run for the chosen row."""

import asyncio
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING

from tui.rows import Row
from tui.screens.machinework import YesDialog
from tui.settings import Plugin, filled

if TYPE_CHECKING:
    from tui.screens.base import ClusterScreen

PATIENCE = 600.0


def applies(plugin: Plugin, screen: "ClusterScreen") -> bool:
    """Whether it is meant for what is on the screen."""
    resource = screen.session.aliases.refined(screen.target.resource)
    names = {resource.plural, resource.singular, resource.kind.lower(), *resource.short_names, "all"}
    if screen.target.view.value == "containers":
        names = {"containers", "container", "co", "all"}
    return any(scope.lower() in names for scope in plugin.scopes)


def facts(screen: "ClusterScreen", row: Row | None) -> dict[str, str]:
    """What stands for the `$` words of a plugin's arguments."""
    access, resource = screen.session.access, screen.target.resource
    told = {
        "CONTEXT": access.context,
        "CLUSTER": access.cluster,
        "USER": access.user,
        "KUBECONFIG": screen.conductor.contexts.kubeconfig_for_others(),
        "RESOURCE_GROUP": resource.group,
        "RESOURCE_VERSION": resource.version,
        "RESOURCE_NAME": resource.plural,
        "FILTER": screen.filter_text(),
        "NAMESPACE": screen.target.namespace or "",
        "NAME": "",
    }
    if row is None:
        return told
    told |= {"NAME": row.name, "NAMESPACE": row.namespace}
    if screen.target.view.value == "containers":
        told |= {"CONTAINER": row.name, "POD": screen.target.name}
    table = screen.chosen_table()
    columns = table.model.columns if table is not None else ()
    return told | {
        f"COL-{column.name.upper().replace(' ', '-')}": str(cell)
        for column, cell in zip(columns, row.cells, strict=False)
    }


async def run(screen: "ClusterScreen", name: str, plugin: Plugin) -> None:
    """Ask what it wants to know, run it, on the terminal or behind the scenes; never through a shell of ours."""
    if plugin.dangerous and screen.session.readonly:
        screen.notify(f"This session is read-only, and {name} is marked dangerous.", severity="warning")
        return
    table = screen.chosen_table()
    told = facts(screen, table.current if table is not None else None)
    if plugin.inputs:
        from tui.widgets.inputsdialog import InputsDialog

        answers = await screen.app.push_screen_wait(InputsDialog(plugin.description or name, plugin.inputs))
        if answers is None:
            return
        told |= answers
    chain = argvs(plugin, told)
    line = " | ".join(shlex.join(argv) for argv in chain)
    if (plugin.confirm or plugin.dangerous) and not await screen.app.push_screen_wait(
        YesDialog(f"Run {name}?", line, "Run", danger=plugin.dangerous)
    ):
        return
    environment = {**os.environ, "KUBECONFIG": told["KUBECONFIG"]}
    if plugin.background or screen.app.is_headless or screen.app.is_web:
        await _behind(screen, name, chain, environment)
        return
    with screen.app.batch_update(), screen.app.suspend():
        running = Chain(chain, environment, shown=True)
        code, said = await asyncio.to_thread(running.run)
    screen.app.refresh(layout=True)
    if code or said:
        screen.notify(said or f"{line}: ended with code {code}", severity="error", title=name)


def argvs(plugin: Plugin, told: Mapping[str, str]) -> list[list[str]]:
    """The command and what its output goes through, each as its words."""
    first = [plugin.command, *(filled(argument, told) for argument in plugin.args)]
    return [first, *([filled(word, told) for word in shlex.split(pipe)] for pipe in plugin.pipes)]


class Chain:
    """Programs whose outputs go from each to the next; `shown` leaves the last one's to the terminal."""

    def __init__(self, chain: Sequence[Sequence[str]], environment: Mapping[str, str], *, shown: bool) -> None:
        self._chain, self._environment, self._shown = chain, environment, shown
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self) -> tuple[int, str]:
        """The last code that is not 0, and the output (or what went wrong); blocks."""
        before: IO[bytes] | None = None
        try:
            for number, argv in enumerate(self._chain):
                last = number == len(self._chain) - 1
                source = before if number else (None if self._shown else subprocess.DEVNULL)
                sink = None if self._shown and last else subprocess.PIPE
                trouble = None if self._shown else subprocess.STDOUT
                process = subprocess.Popen(argv, env=self._environment, stdin=source, stdout=sink, stderr=trouble)
                self._running.append(process)
                if before is not None:
                    before.close()
                before = process.stdout
        except OSError as error:
            self.kill()
            return 127, f"{self._chain[len(self._running)][0]}: {error.strerror}"
        out, _ = self._running[-1].communicate()
        codes = [process.wait() for process in self._running]
        return next((code for code in reversed(codes) if code), 0), (out or b"").decode(errors="replace").strip()

    def kill(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()


async def _behind(
    screen: "ClusterScreen", name: str, chain: Sequence[Sequence[str]], environment: Mapping[str, str]
) -> None:
    running = Chain(chain, environment, shown=False)
    try:
        async with asyncio.timeout(PATIENCE):
            code, text = await asyncio.to_thread(running.run)
    except TimeoutError:
        screen.notify("It did not end in time; it was stopped.", severity="error", title=name)
        return
    finally:
        running.kill()
    screen.notify(text[-600:] or "Done.", severity="error" if code else "information", title=name)
