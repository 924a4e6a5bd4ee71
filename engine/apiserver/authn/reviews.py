"""Answers to the reviews of authentication.k8s.io: whom does this token stand for, and who am I."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apimachinery.objects.errors import Invalid
from apimachinery.objects.field import required
from apimachinery.objects.meta import format_time
from engine.apiserver.authn.authenticator import Authenticator
from engine.apiserver.authn.jose import BadToken
from engine.apiserver.call import Call
from engine.apiserver.registry.authentication.reviews import GROUP
from engine.apiserver.request import User
from engine.apiserver.writing import Creator

Json = dict[str, Any]


class IdentityReviews:
    """Answers out of what the authenticator knows."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def creators(self) -> Mapping[tuple[str, str, str], Creator]:
        return {(GROUP, "selfsubjectreviews", ""): self.self_subject, (GROUP, "tokenreviews", ""): self.token}

    async def self_subject(self, call: Call, review: Json) -> Json:
        metadata = {**(review.get("metadata") or {}), "creationTimestamp": format_time(call.context.now)}
        return {**review, "metadata": metadata, "status": {"userInfo": user_info(call.request.user)}}

    async def token(self, call: Call, review: Json) -> Json:
        spec: Json = review.get("spec") or {}
        if not spec.get("token"):
            raise Invalid.of("TokenReview", GROUP, "", [required("spec.token", "")])
        try:
            user, audiences = self._authenticator.review(spec["token"], tuple(spec.get("audiences") or ()))
        except BadToken as error:
            status: Json = {"user": {}, "error": f"[invalid bearer token, {error}]"}
        else:
            status = {"authenticated": True, "user": user_info(user), "audiences": list(audiences)}
        metadata = {**(review.get("metadata") or {}), "creationTimestamp": format_time(call.context.now)}
        return {**review, "metadata": metadata, "status": status}


def user_info(user: User) -> Json:
    """authentication/v1 UserInfo."""
    info: Json = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info
