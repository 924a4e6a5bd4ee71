"""Says who will grow a claim that asks for more than it has. Source: pkg/controller/volume/expand.

No volume is grown here: folders of machines by their own controller, all others by their driver's resizer.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from apimachinery.objects.localpath import PROVISIONED_BY, PROVISIONER
from apimachinery.objects.meta import key
from apimachinery.objects.resources import PERSISTENTVOLUMECLAIMS
from engine.controllers.actions import About, Action, Emit, Note
from engine.controllers.controller import Moment, Reader, Watch
from engine.controllers.storage.views import (
    CLAIM_SOURCE,
    VOLUME_SOURCE,
    Claim,
    PersistentVolume,
    amount,
    is_going,
    requested,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    claim: Claim
    volume: PersistentVolume | None


def wants_more(claim: Claim) -> bool:
    """Whether a bound claim asks for more than it has been given."""
    bound = claim.status.phase == "Bound" and not is_going(claim.metadata)
    return bound and requested(claim) > amount(claim.status.capacity)


def plan(observed: Observed) -> list[Action]:
    claim, volume = observed.claim, observed.volume
    if not wants_more(claim) or volume is None:
        return []
    if volume.metadata.annotations.get(PROVISIONED_BY) == PROVISIONER:
        return []
    text = "waiting for an external controller to expand this PVC"
    return [Emit(note=Note(about=About.of(PERSISTENTVOLUMECLAIMS, claim), reason="ExternalExpanding", message=text))]


class Expansion:
    name = "persistentvolume-expander"
    component = "volume_expand"

    def __init__(self) -> None:
        self.watches = (Watch(CLAIM_SOURCE, _if_it_grows), Watch(VOLUME_SOURCE, lambda _volume, _reader: ()))

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        claim = reader.get(CLAIM_SOURCE, key)
        if claim is None:
            return None
        return Observed(claim=claim, volume=reader.get(VOLUME_SOURCE, claim.spec.volume_name))

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _if_it_grows(claim: Claim, _reader: Reader) -> Iterable[str]:
    return [key(claim)] if wants_more(claim) else []
