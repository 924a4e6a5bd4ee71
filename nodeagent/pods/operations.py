"""What can be done to a pod: small values that sync() returns and a worker carries out.

`key` tells operations apart that must not run twice at once: one start in a pod at a time (containers start in
the order of the manifest), one kill for each container.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prepare:
    """Folders, cgroup and volumes of the pod."""

    @property
    def key(self) -> str:
        return "prepare"


@dataclass(frozen=True, slots=True)
class RunSandbox:
    attempt: int

    @property
    def key(self) -> str:
        return "sandbox"


@dataclass(frozen=True, slots=True)
class StopSandbox:
    sandbox_id: str

    @property
    def key(self) -> str:
        return f"stop/{self.sandbox_id}"


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    sandbox_id: str

    @property
    def key(self) -> str:
        return f"remove/{self.sandbox_id}"


@dataclass(frozen=True, slots=True)
class Start:
    """Pull if needed, create, start, run the postStart hook. `backoff` is what the end of this one will cost."""

    container: str
    attempt: int
    backoff: float = 0.0
    leftover: str = ""  # id of a container that was created for this attempt but never started
    target: str = ""  # id of the container whose processes an ephemeral one is to see

    @property
    def key(self) -> str:
        return "start"


@dataclass(frozen=True, slots=True)
class Kill:
    """preStop hook, stop signal, up to `grace` seconds, kill."""

    container: str
    container_id: str
    grace: float
    message: str = ""  # of the Killing event
    run_hook: bool = True

    @property
    def key(self) -> str:
        return f"kill/{self.container_id}"


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Forget an ended container and its log."""

    container_id: str

    @property
    def key(self) -> str:
        return f"remove/{self.container_id}"


@dataclass(frozen=True, slots=True)
class Teardown:
    """Unmount volumes and remove the pod's cgroup; its containers have ended."""

    @property
    def key(self) -> str:
        return "teardown"


@dataclass(frozen=True, slots=True)
class Confirm:
    """Tell the API server that nothing of a deleted pod runs here any more, so that it may drop the object."""

    @property
    def key(self) -> str:
        return "confirm"


Operation = Prepare | RunSandbox | StopSandbox | RemoveSandbox | Start | Kill | RemoveContainer | Teardown | Confirm
