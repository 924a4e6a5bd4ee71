"""Whether the parts of the control plane are well, as objects: what /api/v1/componentstatuses answers.

Names are upstream's, `etcd-0` for the store whichever it is: scripts look for them.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.store.protocol import Record

STORE = "etcd-0"
Check = Callable[[], str]
"""Empty when well, else what is wrong."""


def _not_here() -> str:
    return "this engine does not run it"


class Components:
    """`checks` by the component's name."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {"controller-manager": _not_here, "scheduler": _not_here, STORE: _not_here}

    async def look(self, _namespace: str) -> list[Record]:
        """One object for each component."""
        return [_record(name, check()) for name, check in sorted(self.checks.items())]


def _record(name: str, problem: str) -> Record:
    condition = {"type": "Healthy", "status": "False" if problem else "True", "message": problem or "ok"}
    status = {
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "conditions": [condition],
    }
    return Record(name, msgspec.json.encode(status), 0)
