"""What the app remembers between sessions: not configuration, which is the user's, but choices made by keys.

Per context: the namespaces that are pinned; per kind: sorting and the wide view.
"""

import contextlib
import os
import tempfile
from pathlib import Path

import msgspec


class TableChoice(msgspec.Struct, omit_defaults=True):
    """How one kind's table was left. `sort` is a column's name."""

    sort: str = ""
    descending: bool = False
    wide: bool = False


class ContextChoices(msgspec.Struct, omit_defaults=True):
    pinned: list[str] = []


class _State(msgspec.Struct, omit_defaults=True):
    contexts: dict[str, ContextChoices] = {}
    tables: dict[str, TableChoice] = {}


class Memory:
    """`file` None remembers for this session alone. A file that cannot be read is started anew."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.typed: dict[str, list[str]] = {}
        """What was typed after `:` and after `/`, oldest first; of this session alone."""
        self._state = _State()
        if file is not None:
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                self._state = msgspec.json.decode(file.read_bytes(), type=_State)

    def pinned(self, context: str) -> list[str]:
        return list(self._of(context).pinned)

    def pin(self, context: str, namespace: str) -> bool:
        """Pin a namespace, or take the pin away; whether it is pinned now."""
        pins = self._of(context).pinned
        if namespace in pins:
            pins.remove(namespace)
        else:
            pins.append(namespace)
        self._keep()
        return namespace in pins

    def table(self, kind: str) -> TableChoice:
        return self._state.tables.get(kind) or TableChoice()

    def remember_table(self, kind: str, choice: TableChoice) -> None:
        if choice != self.table(kind):
            self._state.tables[kind] = choice
            self._keep()

    def _of(self, context: str) -> ContextChoices:
        return self._state.contexts.setdefault(context, ContextChoices())

    def _keep(self) -> None:
        if self._file is None:
            return
        # A choice that cannot be kept is no reason to disturb anybody.
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._file.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(self._state)))
            Path(name).replace(self._file)


def state_file() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "pilothouse" / "tui.json"
