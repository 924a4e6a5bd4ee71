"""A person at a shell who follows a page of the Kubernetes documentation."""

from collections.abc import Callable
from typing import Any

import yaml

from tests.engine.conftest import RunningEngine
from tests.engine.runtime.cluster import eventually

Rows = list[list[str]]


class Shell:
    """What commands print, without what differs each time."""

    def __init__(self, engine: RunningEngine) -> None:
        self._engine = engine

    async def run(self, command: str, stdin: str = "") -> str:
        """A kubectl command, without its first word."""
        return (await self._engine.kubectl(*command.split(), stdin=stdin)).out.strip()

    async def fails(self, command: str) -> str:
        ran = await self._engine.kubectl(*command.split(), check=False)
        assert ran.code, ran.out
        return ran.err.strip()

    async def apply(self, manifest: str) -> str:
        return await self.run("apply -f -", manifest)

    async def rows(self, command: str) -> Rows:
        """The cells of a table but the last, which is an age."""
        return [line.split()[:-1] for line in (await self.run(f"{command} --no-headers")).splitlines()]

    async def shows(self, command: str, wanted: Rows | Callable[[Rows], bool]) -> Rows:
        """Wait until a table shows these rows, or such."""

        async def look() -> bool:
            seen.append(await self.rows(command))
            return wanted(seen[-1]) if callable(wanted) else seen[-1] == wanted

        seen: list[Rows] = []
        try:
            await eventually(look, 60)
        except AssertionError:
            raise AssertionError(f"{command}: {seen[-1]} instead of {wanted}") from None
        return seen[-1]

    async def get(self, command: str) -> Any:
        return yaml.safe_load(await self.run(f"get {command} --output yaml"))

    async def describe(self, what: str, *lines: str) -> str:
        """The description, once it has all these lines, in this order, with any space between words."""

        async def look() -> bool:
            seen.append(await self.run(f"describe {what}"))
            found = [" ".join(line.split()) for line in seen[-1].splitlines()]
            at = 0
            for line in lines:
                at = next((n + 1 for n in range(at, len(found)) if found[n].startswith(line)), -1)
                if at < 0:
                    missing[:] = [line]
                    return False
            return True

        seen: list[str] = []
        missing: list[str] = []
        try:
            await eventually(look, 60)
        except AssertionError:
            raise AssertionError(f"no {missing} in\n{seen[-1]}") from None
        return seen[-1]
