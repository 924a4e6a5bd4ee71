"""`authorizer` in CEL: may somebody do something. Pure, given who decides.

Source: k8s.io/apiserver/pkg/cel/library/authz.go. The library knows no types of ours: a question that is being put
together is a map with a marked key.

authorizer.group('apps').resource('deployments').namespace('shop').check('create').allowed()
authorizer.requestResource.check('update').allowed()
authorizer.path('/healthz').check('get').allowed()
authorizer.serviceAccount('shop', 'web').group('').resource('pods').check('list').reason()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.apiserver.authz.attributes import Attributes, Authorizer
from engine.apiserver.request import AUTHENTICATED, User

Json = dict[str, Any]
_SELF = "authorizer"
_ASKED = "authorizer check"
_DECISION = "decision"


def variable(requested: Json) -> Json:
    """The value of `authorizer`; `requested` is what the request itself is about: group, resource, name and so on."""
    return {_SELF: "", "requestResource": {_ASKED: requested}}


def functions(user: User, authorizer: Authorizer) -> Mapping[str, Callable[..., Any]]:
    """The functions of `authorizer` for the user who asks."""

    def check(asked: Json, verb: str) -> Json:
        question: Json = asked[_ASKED]
        who = _account(question["account"]) if question.get("account") else user
        decision = authorizer.decide(
            Attributes(
                who,
                verb,
                question.get("group", ""),
                question.get("version", "*"),
                question.get("resource", ""),
                question.get("subresource", ""),
                question.get("namespace", ""),
                question.get("name", ""),
                question.get("path", ""),
            )
        )
        return {_DECISION: decision.allowed, "why": decision.reason}

    return {
        "path": lambda it, path: {_ASKED: {"account": it[_SELF], "path": path}},
        "group": lambda it, group: {_ASKED: {"account": it[_SELF], "group": group}},
        "serviceAccount": lambda _, namespace, name: {_SELF: f"{namespace}/{name}"},
        "resource": lambda it, resource: _with(it, resource=resource),
        "subresource": lambda it, subresource: _with(it, subresource=subresource),
        "namespace": lambda it, namespace: _with(it, namespace=namespace),
        "name": lambda it, name: _with(it, name=name),
        "fieldSelector": lambda it, _selector: it,
        "labelSelector": lambda it, _selector: it,
        "check": check,
        "allowed": lambda decision: decision[_DECISION],
        "reason": lambda decision: decision["why"],
        "errored": lambda _decision: False,
        "error": lambda _decision: "",
    }


def _with(asked: Json, **more: str) -> Json:
    return {_ASKED: {**asked[_ASKED], **more}}


def _account(text: str) -> User:
    namespace, _, name = text.partition("/")
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups)
