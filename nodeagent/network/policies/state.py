"""What this machine knows of NetworkPolicies, and of the pods and namespaces that they speak of."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from apimachinery.objects.meta import Object, key
from nodeagent.network.policies.rules import Known, selects
from nodeagent.network.policies.views import NamespaceView, PodView, PolicyView

V = TypeVar("V", bound=Object)


class PolicySnapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything at one moment, as it is kept on disk."""

    policies: tuple[PolicyView, ...] = ()
    pods: tuple[PodView, ...] = ()
    namespaces: tuple[NamespaceView, ...] = ()


class PolicyState:
    """Readable at any time without waiting. `dirty_policies` and `dirty_pods` are what the rules have yet to follow.

    Pods and namespaces are known only while there are policies; see `network.run`.
    """

    def __init__(self, start: PolicySnapshot | None = None) -> None:
        self.first_policy = asyncio.Event()
        self.changes = 0
        self.policies: dict[str, PolicyView] = {}
        self.pods: dict[str, PodView] = {}
        self.namespaces: dict[str, NamespaceView] = {}
        self.dirty_policies: dict[str, None] = {}
        self.dirty_pods: dict[str, None] = {}
        self._listener: Callable[[], None] = lambda: None
        if start is not None:
            self.policies = {key(policy): policy for policy in start.policies}
            self.pods = {key(pod): pod for pod in start.pods}
            self.namespaces = {key(namespace): namespace for namespace in start.namespaces}
        if self.policies:
            self.first_policy.set()

    @property
    def known(self) -> Known:
        return Known(pods=self.pods, namespaces=self.namespaces)

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the one listener from now on; the answer takes it off again."""
        self._listener = listener

        def stop() -> None:
            self._listener = lambda: None

        return stop

    def everything(self) -> None:
        """Take all as changed."""
        self.dirty_policies |= dict.fromkeys(self.policies)
        self.dirty_pods |= dict.fromkeys(self.pods)

    def snapshot(self) -> PolicySnapshot:
        """Everything as it is now; no pods where there is no policy that could speak of them."""
        policies = tuple(self.policies.values())
        if not policies:
            return PolicySnapshot()
        return PolicySnapshot(policies, tuple(self.pods.values()), tuple(self.namespaces.values()))

    # The three handlers have the shape that informers call: (old, new), new is None for what is gone.

    def policy_changed(self, old: PolicyView | None, new: PolicyView | None) -> None:
        name, before = _keep(self.policies, old, new)
        if new is not None:
            self.first_policy.set()
        if before is not None and new is not None and before.spec == new.spec:
            return
        self.dirty_policies[name] = None
        concerned = [policy for policy in (before, new) if policy is not None]
        for pod_name, pod in self.pods.items():
            if any(selects(policy, pod) for policy in concerned):
                self.dirty_pods[pod_name] = None
        self._changed()

    def pod_changed(self, old: PodView | None, new: PodView | None) -> None:
        if new is not None:
            new = self._with_known_address(new)
        name, before = _keep(self.pods, old, new)
        if before is not None and new is not None and _facts(before) == _facts(new):
            return  # a status that says nothing about where the pod is
        self.dirty_pods[name] = None
        namespace = name.partition("/")[0]
        for policy_name, policy in self.policies.items():
            if policy.metadata.namespace == namespace or _looks_elsewhere(policy):
                self.dirty_policies[policy_name] = None
        self._changed()

    def namespace_changed(self, old: NamespaceView | None, new: NamespaceView | None) -> None:
        _, before = _keep(self.namespaces, old, new)
        if before is not None and new is not None and before.metadata.labels == new.metadata.labels:
            return
        for policy_name, policy in self.policies.items():
            if _looks_elsewhere(policy):
                self.dirty_policies[policy_name] = None
        self._changed()

    def forget_all_but(
        self,
        *,
        policies: set[str] | None = None,
        pods: set[str] | None = None,
        namespaces: set[str] | None = None,
    ) -> None:
        """Drop what came from disk and is not in the first whole list."""
        for name in _gone(self.policies, policies):
            self.policy_changed(self.policies[name], None)
        for name in _gone(self.pods, pods):
            self.pod_changed(self.pods[name], None)
        for name in _gone(self.namespaces, namespaces):
            self.namespace_changed(self.namespaces[name], None)

    def _with_known_address(self, pod: PodView) -> PodView:
        """A pod of this machine is known by its address before the API hears of it; see `network.gates`."""
        before = self.pods.get(key(pod))
        if before is None or before.metadata.uid != pod.metadata.uid or pod.status.pod_ip:
            return pod
        status = msgspec.structs.replace(pod.status, pod_ip=before.status.pod_ip)
        return msgspec.structs.replace(pod, status=status)

    def _changed(self) -> None:
        self.changes += 1
        self._listener()


def _facts(pod: PodView) -> tuple[object, ...]:
    return pod.address, pod.metadata.labels, pod.spec


def _looks_elsewhere(policy: PolicyView) -> bool:
    """Whether it speaks of pods of other namespaces: by a selector, or by a port's name at any destination."""
    spec = policy.spec
    peers = [*(rule.from_ or () for rule in spec.ingress or ()), *(rule.to or () for rule in spec.egress or ())]
    named = any(isinstance(p.port, str) and not rule.to for rule in spec.egress or () for p in rule.ports or ())
    return named or any(peer.namespace_selector is not None for listed in peers for peer in listed)


def _gone(known: dict[str, V], listed: set[str] | None) -> Iterable[str]:
    return [] if listed is None else list(known.keys() - listed)


def _keep(objects: dict[str, V], old: V | None, new: V | None) -> tuple[str, V | None]:
    """The object's key, and what we held of it before."""
    obj = new if new is not None else old
    name = key(obj) if obj is not None else ""
    before = objects.pop(name, None)
    if new is not None:
        objects[name] = new
    return name, before
