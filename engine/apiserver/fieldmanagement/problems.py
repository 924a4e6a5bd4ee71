"""What can go wrong with fields and their owners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from apimachinery.objects.errors import Conflict
from engine.apiserver.fieldmanagement.fieldset import FieldSet, paths

if TYPE_CHECKING:
    from engine.apiserver.fieldmanagement.owners import Owner


class Untyped(Exception):
    """A value that does not fit the shape of its type, in upstream's words."""


def apply_conflict(conflicts: Mapping[Owner, FieldSet]) -> Conflict:
    """The refusal of an apply that would change what others own."""
    found = [(owner, list(paths(fields))) for owner, fields in sorted(conflicts.items())]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner.shown}", "field": path}
        for owner, owned in found
        for path in owned
    ]
    count = len(causes)
    if count == 1:
        owner, (path,) = found[0]
        return Conflict(
            f"Apply failed with 1 conflict: conflict with {owner.shown}: {path}", details={"causes": causes}
        )
    listed = "\n".join(
        f"conflicts with {owner.shown}:\n" + "\n".join(f"- {path}" for path in owned) for owner, owned in found
    )
    return Conflict(f"Apply failed with {count} conflicts: {listed}", details={"causes": causes})
