"""What the three kinds of patch share. A patch never changes the document it is given: it copies what it touches.

`patch_json` is RFC 6902, `patch_merge` RFC 7386, `patch_strategic` Kubernetes' own, driven by the types' merge keys.
"""


class PatchError(ValueError):
    """A patch that does not apply to this document: the API answers 422."""


class PatchMalformed(ValueError):
    """A patch that applies to no document at all: the API answers 400."""
