"""The policies' part of the table: a fragment for each policy, and one for each pod of this machine that they shut."""

import ipaddress
from collections.abc import Callable

from nodeagent.network.layout import Layout
from nodeagent.network.nft.assembly import Assembly
from nodeagent.network.policies.rules import pod_rules, policy_rules
from nodeagent.network.policies.state import PolicyState

POLICY, POD = "policy:", "pod:"


class PolicyPart:
    """A `keeper.Part`."""

    def __init__(self, state: PolicyState, layout: Layout) -> None:
        self._state = state
        self._here = ipaddress.IPv4Network(layout.pod_cidr)

    @property
    def idle(self) -> bool:
        return not self._state.dirty_policies and not self._state.dirty_pods

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        return self._state.on_change(wake)

    def everything(self, assembly: Assembly) -> None:
        self._state.everything()
        for owner in assembly.owners():
            if owner.startswith(POLICY):
                self._state.dirty_policies[owner.removeprefix(POLICY)] = None
            elif owner.startswith(POD):
                self._state.dirty_pods[owner.removeprefix(POD)] = None

    def assemble(self, assembly: Assembly) -> None:
        state = self._state
        policies, pods = state.dirty_policies, state.dirty_pods
        state.dirty_policies, state.dirty_pods = {}, {}
        for name in policies:
            policy = state.policies.get(name)
            assembly.put(POLICY + name, policy_rules(policy, state.known) if policy is not None else None)
        for name in pods:
            pod = state.pods.get(name)
            shut = pod is not None and pod.address and ipaddress.IPv4Address(pod.address) in self._here
            rules = pod_rules(pod, state.policies.values()) if pod is not None and shut else None
            assembly.put(POD + name, rules if rules is not None and rules.chains else None)

    def applied(self, *, whole: bool) -> None:
        """Nothing of ours hangs on it."""
