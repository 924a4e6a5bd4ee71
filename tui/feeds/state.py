"""What a feed knows about its own health; the screen shows it, it never ends the app."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    CONNECTING = "connecting"
    LOADING = "loading"
    LIVE = "live"
    STALE = "stale"
    """Data is on the screen but the stream behind it is broken; the feed is reconnecting."""
    REFUSED = "refused"
    """The server answered no (403, 404, 401): shown in its words, tried again slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """`since` is the monotonic time at which the phase began; for STALE that of the last sign of life."""

    phase: Phase
    since: float = 0.0
    detail: str = ""
    code: int = 0
    loaded: int = 0
    retry_at: float = 0.0
