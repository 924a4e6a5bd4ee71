"""What can go wrong between the agent and containerd.

RuntimeFailure
├── RuntimeUnreachable   containerd does not answer: everything waits, nothing is concluded from it
├── NotFound             the sandbox, container or image is not there (any more)
├── AlreadyExists        the name is reserved by an earlier attempt
├── DeadlineExceeded     the call took longer than it was given
└── ImageRefused         a pull failed; `.reason` is the word the pod's status shows
"""

from __future__ import annotations


class RuntimeFailure(Exception):
    """A call to the runtime failed; the text is the runtime's own, for events and statuses."""

    def __init__(self, message: str, code: str = "Unknown") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        """The wording of upstream's events: ``rpc error: code = NotFound desc = ...``."""
        return f"rpc error: code = {self.code} desc = {self.message}"


class RuntimeUnreachable(RuntimeFailure):
    """containerd does not answer."""


class NotFound(RuntimeFailure):
    """The thing named is not in containerd."""


class AlreadyExists(RuntimeFailure):
    """The name is taken by another sandbox or container."""


class DeadlineExceeded(RuntimeFailure):
    """The call took longer than it was given."""


class ImageRefused(RuntimeFailure):
    """An image could not be pulled."""
