"""How long a failed daemon pod stays before it is replaced: a second at first, doubling up to a quarter of an hour."""

from dataclasses import dataclass

INITIAL = 1.0
LONGEST = 900.0

Place = tuple[str, int, str]
"""(uid of the set, its generation, machine): another template starts anew."""


@dataclass(slots=True)
class _Trouble:
    pod: str
    delay: float
    replaceable_at: float


class ReplacementBackoff:
    """Remembers the last failure of each place. Times are steady seconds."""

    def __init__(self) -> None:
        self._troubles: dict[Place, _Trouble] = {}

    def seconds_left(self, place: Place, pod: str, steady: float) -> float:
        """How long this failed pod must stay; 0 when it may go. The first failure of a place goes at once."""
        trouble = self._troubles.get(place)
        if trouble is None or steady - trouble.replaceable_at > 2 * LONGEST:
            self._forget_old(steady)
            self._troubles[place] = _Trouble(pod, INITIAL, steady)
            return 0.0
        if trouble.pod != pod:
            trouble.replaceable_at = max(steady, trouble.replaceable_at + trouble.delay)
            trouble.pod, trouble.delay = pod, min(trouble.delay * 2, LONGEST)
        return max(0.0, trouble.replaceable_at - steady)

    def _forget_old(self, steady: float) -> None:
        self._troubles = {k: t for k, t in self._troubles.items() if steady - t.replaceable_at <= 2 * LONGEST}
