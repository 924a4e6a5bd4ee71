"""resourceVersion, resourceVersionMatch, limit and continue: which moment a read is about. Pure.

Source: apimachinery/pkg/apis/meta/internalversion/validation and apiserver/pkg/storage/continue.go.
"""

from __future__ import annotations

import base64
import posixpath
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from apimachinery.objects.errors import BadRequest, Expired, Invalid, StatusError, Timeout
from apimachinery.objects.field import FieldError, forbidden, invalid
from engine.apiserver.request import Query
from engine.store.errors import Compacted, FutureRevision, StoreError

_MATCHES = ("Exact", "NotOlderThan")
_INTEGER = re.compile(r"[+-]?[0-9]+")
# Python refuses to read very long numbers; no number of 64 bits is longer than this.
_DIGITS = 30


@dataclass(frozen=True, slots=True)
class ListPage:
    """What to list: `revision` 0 is now; `start_after` is a key below the kind's prefix."""

    revision: int = 0
    at_least: int = 0
    """A revision that the answer must have reached."""
    limit: int = 0
    start_after: str = ""
    consistent: bool = True
    """Whether everything acknowledged before the request must show."""


class _Token(msgspec.Struct, frozen=True):
    v: str
    rv: int
    start: str


def revision_of(text: str) -> int:
    """A resourceVersion from a query; empty is 0. Raises BadRequest."""
    problems = revision_errors(text)
    if problems:
        raise BadRequest(f"invalid resource version: {problems[0]}")
    return int(text or "0")


def revision_errors(text: str) -> list[FieldError]:
    """What is wrong with a resourceVersion from a query."""
    if not text:
        return []
    if not (text.isascii() and text.isdigit()):
        return [invalid("resourceVersion", text, f'strconv.ParseUint: parsing "{text}": invalid syntax')]
    if len(text) > _DIGITS or int(text) >= 1 << 64:
        return [invalid("resourceVersion", text, f'strconv.ParseUint: parsing "{text}": value out of range')]
    return []


def integer(text: str) -> int:
    """A number from a query, as Go reads it. Raises BadRequest."""
    if not _INTEGER.fullmatch(text):
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if len(text) > _DIGITS or not -(1 << 63) <= int(text) < 1 << 63:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return int(text)


def page_of(query: Query) -> ListPage:
    """Raises BadRequest, Invalid."""
    version, match, token = query.get("resourceVersion"), query.get("resourceVersionMatch"), query.get("continue")
    limit = _limit(query.get("limit"))
    errors = _match_errors(version, match, token)
    if "sendInitialEvents" in query:
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if errors:
        raise _invalid(errors)
    if token:
        start, revision = _decode_token(token)
        if version and version != "0":
            raise BadRequest("specifying resource version is not allowed when using continue")
        return ListPage(revision=max(revision, 0), limit=limit, start_after=start)
    revision = revision_of(version)
    if match == "Exact" or (limit and revision and not match):
        return ListPage(revision=revision, limit=limit)
    return ListPage(at_least=revision, limit=limit, consistent=not version)


def continue_token(revision: int, last_key: str) -> str:
    """The token for the page after `last_key` (a key below the kind's prefix)."""
    encoded = msgspec.json.encode(_Token("meta.k8s.io/v1", revision, last_key))
    return base64.urlsafe_b64encode(encoded).rstrip(b"=").decode()


def list_error(error: StoreError, page: ListPage) -> StatusError:
    """What a client is told when the moment it asked for cannot be shown."""
    if isinstance(error, FutureRevision):
        return too_large(error.asked, error.current)
    if isinstance(error, Compacted):
        if page.start_after:
            token = continue_token(-1, page.start_after)
            return _Continued(
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter, or use the continue token in this response to retrieve the "
                "remainder of the results. Continuing with the provided token results in an inconsistent list - "
                "objects that were created, modified, or deleted between the time the first chunk was returned and "
                "now may show up in the list.",
                token,
            )
        return Expired("The resourceVersion for the provided list is too old.")
    raise error


def expired(asked: int, oldest: int) -> Expired:
    return Expired(f"too old resource version: {asked} ({oldest})")


def too_large(asked: int, current: int) -> Timeout:
    return Timeout(
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
    )


class _Continued(Expired):
    """A 410 that offers a way on: its Status carries a token for an inconsistent rest."""

    def __init__(self, message: str, token: str) -> None:
        super().__init__(message)
        self._token = token

    def to_status(self) -> dict[str, Any]:
        return {**super().to_status(), "metadata": {"continue": self._token}}


def _limit(text: str) -> int:
    if not text:
        return 0
    # Less than nothing is no limit, as upstream has it.
    return max(integer(text), 0)


def _match_errors(version: str, match: str, token: str) -> list[FieldError]:
    if not match:
        return []
    errors: list[FieldError] = []
    if not version:
        errors.append(
            forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
        )
    if token:
        errors.append(forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"))
    if match not in _MATCHES:
        errors.append(
            FieldError(
                kind="NotSupported",
                field="resourceVersionMatch",
                value=match,
                detail='supported values: "Exact", "NotOlderThan", ""',
            )
        )
    if match == "Exact" and version == "0":
        errors.append(
            forbidden("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
        )
    return errors


def _invalid(errors: list[FieldError]) -> Invalid:
    return Invalid.of("ListOptions", "meta.k8s.io", "", errors)


def _decode_token(token: str) -> tuple[str, int]:
    try:
        decoded = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=_Token)
    except (ValueError, msgspec.DecodeError) as error:
        raise _bad_token(f": {error}") from error
    if decoded.v != "meta.k8s.io/v1":
        raise _bad_token(f": server does not recognize this encoded version {decoded.v}")
    if not decoded.rv:
        raise _bad_token(": incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not decoded.start:
        raise _bad_token(": encoded start key empty (version meta.k8s.io/v1)")
    # Nobody climbs out of the kind's own keys.
    if posixpath.normpath(f"/{decoded.start}") != f"/{decoded.start}":
        raise _bad_token(f": {decoded.start}")
    return decoded.start, decoded.rv


def _bad_token(problem: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid{problem}")
