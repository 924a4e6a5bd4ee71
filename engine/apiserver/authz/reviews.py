"""Answers to the access reviews: may I, may they, what may I do.

Source: pkg/registry/authorization, pkg/apis/authorization/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from apimachinery.objects.errors import BadRequest, Invalid
from apimachinery.objects.field import FieldError, invalid
from apimachinery.objects.meta import format_time
from engine.apiserver.authz.attributes import Attributes, Decision
from engine.apiserver.authz.union import Union
from engine.apiserver.call import Call
from engine.apiserver.registry.authorization.reviews import GROUP
from engine.apiserver.request import User
from engine.apiserver.writing import Creator

Json = dict[str, Any]

_RESOURCE_PARTS = ("verbs", "apiGroups", "resources", "resourceNames")


class AccessReviews:
    """Answers out of what `union` decides."""

    def __init__(self, union: Union) -> None:
        self._union = union

    def creators(self) -> Mapping[tuple[str, str, str], Creator]:
        return {
            (GROUP, "selfsubjectaccessreviews", ""): self.own_access,
            (GROUP, "subjectaccessreviews", ""): self.access,
            (GROUP, "localsubjectaccessreviews", ""): self.local_access,
            (GROUP, "selfsubjectrulesreviews", ""): self.own_rules,
        }

    async def own_access(self, call: Call, review: Json) -> Json:
        spec: Json = review.get("spec") or {}
        _refuse("SelfSubjectAccessReview", _question_errors(spec))
        return self._answered(call, review, call.request.user)

    async def access(self, call: Call, review: Json) -> Json:
        spec: Json = review.get("spec") or {}
        _refuse("SubjectAccessReview", _question_errors(spec) + _subject_errors(spec))
        return self._answered(call, review, _user(spec))

    async def local_access(self, call: Call, review: Json) -> Json:
        spec: Json = review.get("spec") or {}
        namespace = call.route.namespace
        errors = _question_errors(spec) + _subject_errors(spec)
        if spec.get("nonResourceAttributes") is not None:
            text = "disallowed on this kind of request"
            errors.append(invalid("spec.nonResourceAttributes", spec["nonResourceAttributes"], text))
        asked_in = (spec.get("resourceAttributes") or {}).get("namespace", "")
        if asked_in != namespace:
            errors.append(invalid("spec.resourceAttributes.namespace", asked_in, "must match metadata.namespace"))
        _refuse("LocalSubjectAccessReview", errors)
        review.setdefault("metadata", {})["namespace"] = namespace
        return self._answered(call, review, _user(spec))

    async def own_rules(self, call: Call, review: Json) -> Json:
        namespace = (review.get("spec") or {}).get("namespace", "")
        if not namespace:
            raise BadRequest("no namespace on request")
        of_resources: list[Json] = []
        of_paths: list[Json] = []
        for rule in self._union.rbac.rules(call.request.user, namespace):
            plain: Json = msgspec.to_builtins(rule)
            if rule.resources:
                of_resources.append({name: plain[name] for name in _RESOURCE_PARTS if plain.get(name)})
            if rule.non_resource_urls:
                of_paths.append({"verbs": plain["verbs"], "nonResourceURLs": plain["nonResourceURLs"]})
        status = {"resourceRules": of_resources, "nonResourceRules": of_paths, "incomplete": False}
        return {**review, "metadata": _metadata(call, review), "status": status}

    def _answered(self, call: Call, review: Json, user: User) -> Json:
        decision = self._union.explain(_asked(review["spec"], user))
        return {**review, "metadata": _metadata(call, review), "status": _status(decision)}


def _metadata(call: Call, review: Json) -> Json:
    return {**(review.get("metadata") or {}), "creationTimestamp": format_time(call.context.now)}


def _status(decision: Decision) -> Json:
    status: Json = {"allowed": decision.allowed}
    if decision.reason:
        status["reason"] = decision.reason
    return status


def _asked(spec: Json, user: User) -> Attributes:
    resource: Json | None = spec.get("resourceAttributes")
    if resource is None:
        path: Json = spec.get("nonResourceAttributes") or {}
        return Attributes(user, path.get("verb", ""), path=path.get("path", ""))
    texts = (resource.get(name, "") for name in ("group", "version", "resource", "subresource", "namespace", "name"))
    return Attributes(user, resource.get("verb", ""), *texts)


def _user(spec: Json) -> User:
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), extra)


def _question_errors(spec: Json) -> list[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        text = "cannot be specified in combination with resourceAttributes"
        return [invalid("spec.nonResourceAttributes", path, text)]
    if resource is None and path is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [invalid("spec.resourceAttributes", None, text)]
    return []


def _subject_errors(spec: Json) -> list[FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [invalid("spec.user", "", "at least one of user or group must be specified")]


def _refuse(kind: str, errors: list[FieldError]) -> None:
    if errors:
        raise Invalid.of(kind, GROUP, "", errors)
