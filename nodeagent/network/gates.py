"""What pods of this machine wait for: shut by policies before they start, out of Services before they end.

Serves while the network runs; otherwise nothing waits. Whatever happens, no wait is long: a pod must come and go even
where nft or the API does not answer.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from apimachinery.objects.meta import key
from nodeagent.network.policies.rules import selects
from nodeagent.network.policies.views import PodView
from nodeagent.network.state import ClusterState

log = structlog.get_logger(__name__)

LONGEST_WAIT_TO_START = 5.0
LONGEST_WAIT_TO_END = 3.0
OTHERS_LAG = 0.6
"""Seconds that other machines are given to follow a change of endpoints that this one has followed already: they
hear of it at the same moment, wait a twentieth of a second for more, and change one rule."""


class Gates:
    """Joined to the network by `serve`, for as long as it stands."""

    def __init__(self) -> None:
        self._state: ClusterState | None = None
        self._settled: Callable[[], Awaitable[None]] | None = None

    def serve(self, state: ClusterState, settled: Callable[[], Awaitable[None]]) -> None:
        """From now on pods wait for `settled`, which returns once the kernel holds what `state` asks for."""
        self._state, self._settled = state, settled

    def rest(self) -> None:
        self._state = self._settled = None

    async def shut(self, pod: PodView) -> None:
        """Return once the kernel isolates the pod as its policies ask. `pod` has its address already."""
        state, settled = self._state, self._settled
        if state is None or settled is None:
            return
        policies = state.policies
        if not any(selects(policy, pod) for policy in policies.policies.values()):
            return
        policies.pod_changed(policies.pods.get(key(pod)), pod)
        try:
            async with asyncio.timeout(LONGEST_WAIT_TO_START):
                await settled()
        except TimeoutError:
            log.warning("pod starts before its network policies hold", pod=key(pod))

    async def withdrawn(self, address: str, grace: float) -> None:
        """Return once no machine sends new connections to the ending pod at `address`.

        Upstream sends the stop signal at once, and clients meet closed doors until every machine has heard of it.
        Waits at most half of the `grace` (seconds) that the pod has.
        """
        state, settled = self._state, self._settled
        if state is None or settled is None:
            return
        if not any(endpoint.ready or endpoint.serving_while_terminating for endpoint in state.endpoints_at(address)):
            return
        try:
            async with asyncio.timeout(min(LONGEST_WAIT_TO_END, grace / 2)):
                await _until_withdrawn(state, address)
                await settled()
                await asyncio.sleep(OTHERS_LAG)
        except TimeoutError:
            log.info("pod ends while Services still lead to it", address=address)


async def _until_withdrawn(state: ClusterState, address: str) -> None:
    changed = asyncio.Event()
    stop_listening = state.on_service(lambda _: changed.set())
    try:
        # One that is led to although it is ending (publishNotReadyAddresses) would be for ever.
        while any(e.ready and not e.conditions.terminating for e in state.endpoints_at(address)):
            changed.clear()
            await changed.wait()
    finally:
        stop_listening()
