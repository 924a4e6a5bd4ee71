"""Small values for tests of decisions about pods."""

from collections.abc import Sequence
from typing import Any

import msgspec

from nodeagent.cri.types import Container as Ran
from nodeagent.cri.types import Sandbox, State
from nodeagent.pods.build import definition_hash
from nodeagent.pods.observed import Facts, Observed
from nodeagent.pods.view import Pod

NOW = 10_000.0
SANDBOX = Sandbox(
    id="s0", name="web", namespace="default", uid="u1", attempt=0, ready=True, created_at=NOW - 100, ips=("10.42.0.5",)
)
PREPARED = Facts(prepared=True)


def pod(
    containers: Sequence[dict[str, Any]] = ({"name": "main", "image": "i"},),
    *,
    meta: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> Pod:
    body = {
        "metadata": {"name": "web", "namespace": "default", "uid": "u1", **(meta or {})},
        "spec": {"containers": list(containers), **spec},
        "status": status or {},
    }
    return msgspec.convert(body, Pod)


def ran(name: str = "main", state: State = State.RUNNING, **fields: Any) -> Ran:
    fields = {
        "id": f"{name}-{fields.get('attempt', 0)}",
        "sandbox_id": "s0",
        "uid": "u1",
        "attempt": 0,
        "created_at": NOW - 90,
        "started_at": NOW - 90,
        **fields,
    }
    if state is State.EXITED:
        fields = {"finished_at": NOW - 1, **fields}
    return Ran(name=name, state=state, **fields)


def ended(name: str = "main", code: int = 1, **fields: Any) -> Ran:
    return ran(name, State.EXITED, exit_code=code, **fields)


def seen(
    of: Pod | None = None,
    *,
    sandboxes: Sequence[Sandbox] = (SANDBOX,),
    containers: Sequence[Ran] = (),
    facts: Facts = PREPARED,
    **more: Any,
) -> Observed:
    of = of or pod()
    hashes = {c.name: definition_hash(c) for c in of.all_containers()}
    fields = {"now": NOW, "hashes": hashes, **more}
    return Observed(pod=of, sandboxes=tuple(sandboxes), containers=tuple(containers), facts=facts, **fields)
