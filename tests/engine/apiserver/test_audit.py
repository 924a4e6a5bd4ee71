"""The audit log: a line for each request, no bodies, put aside when it has grown."""

from __future__ import annotations

import json
from pathlib import Path

from apimachinery.aio.clock import FakeClock
from engine.apiserver.audit import Audited, AuditLog
from engine.apiserver.request import Answer, Request, User, json_response

ADMIN, JANE = User("admin", ("system:masters",)), User("jane", ("dev",))


class Accepting:
    async def handle(self, request: Request) -> Answer:
        return json_response({"data": "answer"}, 201)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_line_tells_who_did_what_and_holds_no_body(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog(path)
    request = Request("POST", "/api/v1/namespaces/shop/secrets", body=b'{"data":{"k":"hush"}}', user=JANE)
    request.impersonator = ADMIN
    await Audited(Accepting(), log, FakeClock()).handle(request)
    log.close()
    assert path.stat().st_mode & 0o777 == 0o600
    (event,) = lines(path)
    assert event.pop("auditID")
    assert event == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/shop/secrets",
        "verb": "create",
        "user": {"username": "admin", "groups": ["system:masters"]},
        "impersonatedUser": {"username": "jane", "groups": ["dev"]},
        "userAgent": "",
        "objectRef": {"resource": "secrets", "namespace": "shop", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
        "stageTimestamp": "2026-01-01T00:00:00.000000Z",
    }


def test_a_grown_log_is_put_aside_and_three_are_kept(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log", limit=40)
    for number in range(10):
        log.write({"number": number, "filler": "x" * 10})
    log.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "audit.log", "audit.log.1", "audit.log.2", "audit.log.3",
    ]  # fmt: skip
    assert lines(tmp_path / "audit.log")[-1]["number"] == 9
