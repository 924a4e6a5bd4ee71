"""A pod of this machine does not start before the policies that shut it are in the kernel."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from apimachinery.objects.meta import key
from nodeagent.network.policies.rules import selects
from nodeagent.network.policies.state import PolicyState
from nodeagent.network.policies.views import PodView

log = structlog.get_logger(__name__)

LONGEST_WAIT = 5.0
"""Seconds; then the pod starts and the rules follow when they can: a broken nft must not stop all pods."""


class Isolation:
    """Serves while the network runs; otherwise nothing waits."""

    def __init__(self) -> None:
        self._state: PolicyState | None = None
        self._settled: Callable[[], Awaitable[None]] | None = None

    def serve(self, state: PolicyState, settled: Callable[[], Awaitable[None]]) -> None:
        """From now on pods wait for `settled`, which returns once the kernel holds what `state` asks for."""
        self._state, self._settled = state, settled

    def rest(self) -> None:
        self._state = self._settled = None

    async def shut(self, pod: PodView) -> None:
        """Return once the kernel isolates the pod as its policies ask. `pod` has its address already."""
        state, settled = self._state, self._settled
        if state is None or settled is None:
            return
        if not any(selects(policy, pod) for policy in state.policies.values()):
            return
        state.pod_changed(state.pods.get(key(pod)), pod)
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await settled()
        except TimeoutError:
            log.warning("pod starts before its network policies hold", pod=key(pod))
