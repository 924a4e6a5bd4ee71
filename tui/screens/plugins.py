"""The user's own programs, run for the chosen row."""

import asyncio
import os
import shlex
import subprocess
from typing import TYPE_CHECKING

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
    """Ask where it wants that, run it, on the terminal or behind the scenes; never through a shell of ours."""
    if plugin.dangerous and screen.session.readonly:
        screen.notify(f"This session is read-only, and {name} is marked dangerous.", severity="warning")
        return
    table = screen.chosen_table()
    told = facts(screen, table.current if table is not None else None)
    argv = [plugin.command, *(filled(argument, told) for argument in plugin.args)]
    line = shlex.join(argv)
    if (plugin.confirm or plugin.dangerous) and not await screen.app.push_screen_wait(
        YesDialog(f"Run {name}?", line, "Run", danger=plugin.dangerous)
    ):
        return
    environment = {**os.environ, "KUBECONFIG": told["KUBECONFIG"]}
    if plugin.background or screen.app.is_headless or screen.app.is_web:
        await _behind(screen, name, argv, environment)
        return
    with screen.app.batch_update(), screen.app.suspend():
        try:
            code = await asyncio.to_thread(lambda: subprocess.run(argv, env=environment, check=False).returncode)
            said = f"{line}: ended with code {code}" if code else ""
        except OSError as error:
            said = f"{argv[0]}: {error.strerror}"
    screen.app.refresh(layout=True)
    if said:
        screen.notify(said, severity="error", title=name)


async def _behind(screen: "ClusterScreen", name: str, argv: list[str], environment: dict[str, str]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    except OSError as error:
        screen.notify(f"{argv[0]}: {error.strerror}", severity="error", title=name)
        return
    try:
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate()
    except TimeoutError:
        screen.notify("It did not end in time; it was stopped.", severity="error", title=name)
        return
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = out.decode(errors="replace").strip()[-600:]
    severity = "error" if process.returncode else "information"
    screen.notify(text or "Done.", severity=severity, title=name)
