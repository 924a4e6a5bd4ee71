"""All who decide, asked in turn: the masters' group, the rules for nodes, the roles."""

from __future__ import annotations

from engine.apiserver.authz.attributes import ALLOWED, Attributes, Decision
from engine.apiserver.authz.nodes import GROUP as NODES
from engine.apiserver.authz.nodes import NodeAuthorizer
from engine.apiserver.authz.rbac import Rbac
from engine.store.protocol import Store, Subscription

MASTERS = "system:masters"


class Union:
    """Allowed when anybody allows it; the reasons of all who did not, when nobody does."""

    def __init__(self) -> None:
        self.nodes = NodeAuthorizer()
        self.rbac = Rbac()

    def follow(self, store: Store) -> list[Subscription]:
        """Take in what decisions depend on, now and whenever it changes."""
        return [*self.nodes.follow(store), *self.rbac.follow(store)]

    def decide(self, asked: Attributes) -> Decision:
        groups = asked.user.groups
        if MASTERS in groups:
            return ALLOWED
        if NODES not in groups:
            return self.rbac.decide(asked)
        decisions = (self.nodes.decide(asked), self.rbac.decide(asked))
        if any(decision.allowed for decision in decisions):
            return ALLOWED
        return Decision(False, "\n".join(decision.reason for decision in decisions if decision.reason))

    def explain(self, asked: Attributes) -> Decision:
        """As `decide`, with the reason for what is allowed."""
        decision = self.decide(asked)
        return Decision(True, self.rbac.explain(asked)) if decision.allowed else decision
