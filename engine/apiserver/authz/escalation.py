"""Nobody gives away what he does not have: checks on writes of roles and bindings.

Source: pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased/storage.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from apimachinery.objects.errors import NotFound
from engine.apiserver.authz.attributes import Attributes
from engine.apiserver.authz.rbac import RoleRef
from engine.apiserver.authz.rules import EVERYTHING, PolicyRule, Rules, quoted, uncovered
from engine.apiserver.authz.union import MASTERS, Union
from engine.apiserver.guard import Write
from engine.apiserver.registry.rbac.role import GROUP

Json = dict[str, Any]

_ROLES = frozenset({"roles", "clusterroles"})
_BINDINGS = frozenset({"rolebindings", "clusterrolebindings"})


class EscalationGuard:
    """Raises Forbidden when a user without the verb `escalate` or `bind` grants more than he holds."""

    def __init__(self, union: Union) -> None:
        self._union = union

    def check(self, write: Write) -> None:
        if write.new is None or write.kind.group != GROUP or MASTERS in write.user.groups:
            return
        plural = write.kind.plural
        if plural in _ROLES:
            self._check_role(write, write.new)
        elif plural in _BINDINGS:
            self._check_binding(write, write.new)

    def _check_role(self, write: Write, role: Json) -> None:
        old = write.old or {}
        if write.old is not None and all(role.get(p) == old.get(p) for p in ("rules", "aggregationRule")):
            return
        plural, name = write.kind.plural, role["metadata"].get("name", "")
        if self._may(write, "escalate", plural, name, write.namespace):
            return
        if role.get("aggregationRule") is not None or old.get("aggregationRule") is not None:
            held = self._union.rbac.rules(write.user, "")
            if uncovered(held, EVERYTHING):
                raise write.forbidden("must have cluster-admin privileges to use the aggregationRule")
        self._check_covered(write, msgspec.convert(role.get("rules") or (), tuple[PolicyRule, ...]))

    def _check_binding(self, write: Write, binding: Json) -> None:
        old = write.old or {}
        if write.old is not None and all(binding.get(p) == old.get(p) for p in ("roleRef", "subjects")):
            return
        reference = msgspec.convert(binding["roleRef"], RoleRef)
        plural = "roles" if reference.kind == "Role" else "clusterroles"
        if self._may(write, "bind", plural, reference.name, write.namespace):
            return
        rules = self._union.rbac.role(write.namespace, reference)
        if rules is None:
            raise NotFound.of(plural, reference.name, group=GROUP)
        self._check_covered(write, rules)

    def _may(self, write: Write, verb: str, plural: str, name: str, namespace: str) -> bool:
        return self._union.decide(Attributes(write.user, verb, GROUP, "v1", plural, "", namespace, name)).allowed

    def _check_covered(self, write: Write, rules: Rules) -> None:
        user = write.user
        missing = uncovered(self._union.rbac.rules(user, write.namespace), rules)
        if missing:
            listed = "\n".join(sorted({str(rule) for rule in missing}))
            raise write.forbidden(
                f'user "{user.name}" (groups={quoted(user.groups)}) is attempting to grant RBAC permissions'
                f" not currently held:\n{listed}",
            )
