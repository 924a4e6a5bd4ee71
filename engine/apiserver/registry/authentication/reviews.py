"""TokenReview and SelfSubjectReview: whom a token stands for, and who I am. `engine.apiserver.authn` answers them."""

from __future__ import annotations

from engine.apiserver.registry.kind import Kind

GROUP = "authentication.k8s.io"

TOKEN_REVIEW = Kind(
    group=GROUP,
    version="v1",
    kind="TokenReview",
    plural="tokenreviews",
    singular="tokenreview",
    namespaced=False,
    verbs=("create",),
)
SELF_SUBJECT_REVIEW = Kind(
    group=GROUP,
    version="v1",
    kind="SelfSubjectReview",
    plural="selfsubjectreviews",
    singular="selfsubjectreview",
    namespaced=False,
    verbs=("create",),
)
