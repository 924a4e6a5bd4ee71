"""Completion indexes, and sets of them as the status writes them: `0,2-5`."""

from collections.abc import Iterable

from engine.controllers.job.views import INDEX
from engine.controllers.views import Pod


def index_of(pod: Pod) -> int | None:
    """The completion index that the pod works on."""
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdigit() else None


def parse(text: str | None, completions: int | None = None) -> frozenset[int]:
    """Indexes beyond `completions` are left out; so is what is no number."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(i for i in found if completions is None or i < completions)


def written(indexes: Iterable[int]) -> str:
    """Runs of three and more as `first-last`."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)
