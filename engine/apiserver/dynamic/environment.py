"""What the expressions of policies and match conditions see, and their values. Pure but for the clock of its budget.

Source: k8s.io/apiserver/pkg/admission/plugin/{cel,webhook/matchconditions}.
"""

from __future__ import annotations

from typing import Any

from engine.apiserver.authz.attributes import Authorizer
from engine.apiserver.cel import authz
from engine.apiserver.cel.program import Budget, BudgetExceeded, CelError, evaluate, size_of
from engine.apiserver.cel.rewriting import tokens
from engine.apiserver.dynamic.review import request_of
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json


class Environment:
    """The variables of one request as one kind, and a budget for all that is asked of them."""

    def __init__(self, write: Write, authorizer: Authorizer, *, params: Json | None = None) -> None:
        requested = {
            "group": write.kind.group, "version": write.kind.version, "resource": write.kind.plural,
            "subresource": write.subresource, "namespace": write.namespace, "name": write.name,
        }  # fmt: skip
        namespaced = write.namespace and write.kind.namespaced
        self._seen: dict[str, Any] = {
            "object": write.new,
            "oldObject": write.old,
            "request": request_of(write),
            "params": params,
            "namespaceObject": write.context.lookup("", "namespaces", "", write.namespace) if namespaced else None,
            "authorizer": authz.variable(requested),
            "variables": {},
        }
        self._functions = authz.functions(write.user, authorizer)
        self._size = size_of(write.new if write.new is not None else write.old)
        self._budget = Budget()
        self._broken: dict[str, CelError] = {}

    def define(self, variables: list[Json]) -> None:
        """Evaluate `variables`, each of which sees those before it. One that fails is a fault of whoever uses it."""
        for variable in variables:
            name: str = variable["name"]
            try:
                self._seen["variables"] = {**self._seen["variables"], name: self.value(variable["expression"])}
            except BudgetExceeded:
                raise
            except CelError as error:
                self._broken[name] = error

    def value(self, source: str) -> Any:
        """The value of an expression. Raises CelError."""
        if self._broken:
            words = tokens(source)
            for at, word in enumerate(words[2:], 2):
                if words[at - 2 : at] == ["variables", "."] and word in self._broken:
                    raise CelError(f'composited variable "{word}" fails to evaluate: {self._broken[word]}')
        return evaluate(source, self._seen, self._budget, size=self._size, functions=self._functions)

    def result(self, source: str) -> Any:
        """As `value`, with an error that names the expression."""
        try:
            return self.value(source)
        except BudgetExceeded:
            raise
        except CelError as error:
            raise CelError(f"expression '{source}' resulted in error: {error}") from error

    def conditions_hold(self, conditions: list[Json]) -> bool:
        """Whether all match conditions hold. Raises CelError when some fail and none is false."""
        failed: list[str] = []
        for condition in conditions:
            try:
                if self.result(condition["expression"]) is not True:
                    return False
            except CelError as error:
                failed.append(str(error))
        if failed:
            raise CelError(failed[0] if len(failed) == 1 else f"[{', '.join(failed)}]")
        return True
