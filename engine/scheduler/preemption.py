"""Taking pods of lower priority away to make room. Only the words for now: no pod is taken away yet.

The seam: a second pass over the machines whose refusal is `curable`, answering which pods to delete there.
"""

from collections import Counter
from collections.abc import Sequence

from engine.scheduler.filters import Refusal
from engine.scheduler.shape import Shape

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


def preemption_message(count: int, refusals: Sequence[Refusal], shape: Shape) -> str:
    """The second sentence of upstream's message for a pod that fits nowhere."""
    if not shape.may_preempt:
        return "preemption: not eligible due to preemptionPolicy=Never."
    reasons = Counter(NO_VICTIMS if refusal.curable else NOT_HELPFUL for refusal in refusals)
    counted = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    return f"preemption: 0/{count} nodes are available: {counted}."
