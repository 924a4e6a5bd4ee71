"""/healthz, /livez and /readyz, with and without the name of a single check.

Shapes and wording: apiserver/pkg/server/healthz/healthz.go. What is wrong is told by a check's own path alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.apiserver.answers import not_served
from engine.apiserver.request import Query, Request, Response, text_response

PATHS = ("healthz", "livez", "readyz")

Check = Callable[[], str]
"""Empty when well, else what is wrong."""


class Health:
    """The checks of this engine. `ready` is what /readyz looks at besides."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self.ready = False

    def answer(self, request: Request) -> Response:
        """Raises StatusError 404 for a check that there is none of."""
        which, _, name = request.path.strip("/").partition("/")
        checks = self._checks(which)
        if name:
            return _one(checks, name)
        return _all(which, checks, request.query)

    def paths(self) -> list[str]:
        """Every path that is answered here."""
        return [
            path for which in PATHS for path in (f"/{which}", *(f"/{which}/{name}" for name in self._checks(which)))
        ]

    def _checks(self, which: str) -> dict[str, Check]:
        checks: dict[str, Check] = {"ping": str, **self.checks}
        if which == "readyz":
            checks["poststarthook/bootstrap"] = lambda: "" if self.ready else "not finished"
        return checks


def _one(checks: Mapping[str, Check], name: str) -> Response:
    check = checks.get(name)
    if check is None:
        raise not_served()
    problem = check()
    return text_response(f"internal server error: {problem}\n", 500) if problem else text_response("ok")


def _all(which: str, checks: Mapping[str, Check], query: Query) -> Response:
    left_out = {name for name in query.all("exclude") if name}
    lines: list[str] = []
    failed = False
    for name, check in checks.items():
        if name in left_out:
            left_out.discard(name)
            lines.append(f"[+]{name} excluded: ok")
        elif check():
            failed = True
            lines.append(f"[-]{name} failed: reason withheld")
        else:
            lines.append(f"[+]{name} ok")
    if left_out:
        unknown = ", ".join(f'"{name}"' for name in sorted(left_out))
        lines.append(f"warn: some health checks cannot be excluded: no matches for {unknown}")
    if not failed and "verbose" not in query:
        return text_response("ok")
    lines.append(f"{which} check {'failed' if failed else 'passed'}")
    return text_response("\n".join(lines) + "\n", 500 if failed else 200)
