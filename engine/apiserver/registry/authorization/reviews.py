"""The access reviews: may I, may they, and what may I do at all. `engine.apiserver.authz` answers them."""

from __future__ import annotations

from engine.apiserver.registry.kind import Kind

GROUP = "authorization.k8s.io"


def _review(kind: str, *, namespaced: bool = False) -> Kind:
    return Kind(
        group=GROUP,
        version="v1",
        kind=kind,
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        namespaced=namespaced,
        verbs=("create",),
    )


LOCAL_SUBJECT_ACCESS_REVIEW = _review("LocalSubjectAccessReview", namespaced=True)
SELF_SUBJECT_ACCESS_REVIEW = _review("SelfSubjectAccessReview")
SELF_SUBJECT_RULES_REVIEW = _review("SelfSubjectRulesReview")
SUBJECT_ACCESS_REVIEW = _review("SubjectAccessReview")
