"""Whether an answer is one that a client can make sense of."""

import json
import zlib
from typing import Any

import yaml

from scripts.fuzzing.cases import Case
from scripts.fuzzing.connection import Answer

# 5xx that upstream answers in the same place.
_EXCUSED = (
    (504, "Too large resource version"),
    (500, "without impersonating a user"),
    (503, "is not connected"),
    (500, "resourceVersion should not be set on objects to be created"),
)


def problem(case: Case, answer: Answer) -> str:
    """What is wrong with the answer to a well-formed request; empty when nothing is."""
    status = answer.status
    if status == 101 or (case.lasting and status == 200):
        return ""
    if "/proxy" in case.target and status != 500:
        # Whoever is behind the proxy has the word, and upstream's refusals there are plain text.
        return ""
    if not 200 <= status < 600:
        return f"status {status}"
    body = answer.body
    if answer.headers.get("content-encoding") == "gzip":
        body = zlib.decompress(body, wbits=31)
    media = answer.headers.get("content-type", "").partition(";")[0]
    if media == "application/yaml" and status >= 400 and body:
        # Judged by what it says, however that is folded over lines.
        try:
            body, media = json.dumps(yaml.safe_load(body)).encode(), "application/json"
        except (yaml.YAMLError, TypeError) as error:
            return f"not YAML: {error}: {_shown(body)}"
    if status >= 500 and not _excused(case, status, body):
        return f"status {status}: {_shown(body)}"
    if case.method == "HEAD" or status in (204, 304):
        return ""
    if status >= 400:
        return _of_refusal(case, status, media, body)
    if media.endswith("json"):
        return _of_json(body)
    if media == "application/yaml":
        return "" if _is_text(body) else "YAML that is not UTF-8"
    return ""


def _of_refusal(case: Case, status: int, media: str, body: bytes) -> str:
    if media != "application/json":
        # What is not understood as HTTP is answered below the API.
        if status == 400 and media == "text/plain" and not _is_http(case):
            return ""
        return f"status {status} without a Status: {media} {_shown(body)}"
    text = _of_json(body)
    if text:
        return text
    told: Any = json.loads(body)
    if not isinstance(told, dict) or told.get("kind") != "Status":
        return f"status {status} without a Status: {_shown(body)}"
    # Upstream gives no reason for a plain error of its own.
    expected = ("message",) if status >= 500 else ("reason", "message")
    missing = [name for name in expected if not told.get(name)]
    if missing:
        return f"a Status without {missing}: {_shown(body)}"
    return "" if told.get("code") == status else f"status {status} with a Status of code {told.get('code')}"


def _is_http(case: Case) -> bool:
    """Whether the request is one, seen from below the API."""
    plain = all("!" <= char <= "~" for char in case.target)
    return plain and case.target.startswith("/") and case.method.isupper() and case.method not in ("FOO", "CONNECT")


def _of_json(body: bytes) -> str:
    try:
        json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}: {_shown(body)}"
    return ""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _is_text(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _excused(case: Case, status: int, body: bytes) -> bool:
    if case.method == "HEAD":
        # The reason is not shown; the same by GET is judged by it.
        away = status == 503 and case.target.startswith("/pilothouse/nodes/")
        return away or status == 504 or any(name.startswith("Impersonate-") for name, _ in case.headers)
    return any(status == code and words.encode() in body for code, words in _EXCUSED)


def _shown(body: bytes) -> str:
    return body[:300].decode("utf-8", "replace")
