"""Waiting longer after each failure."""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays in seconds: `initial`, then `factor` times the last, up to `maximum`, each spread by `jitter`.

    `jitter` is the share of the delay that may be added at random, so that many waiters do not return at once.
    """

    initial: float = 1.0
    maximum: float = 30.0
    factor: float = 2.0
    jitter: float = 0.1
    failures: int = field(default=0, init=False)

    def next(self) -> float:
        """The delay to wait now; counts one more failure."""
        delay = min(self.maximum, self.initial * self.factor ** min(self.failures, 64))
        self.failures += 1
        return delay * (1 + random.random() * self.jitter)  # noqa: S311 - no secret depends on it

    def reset(self) -> None:
        self.failures = 0
