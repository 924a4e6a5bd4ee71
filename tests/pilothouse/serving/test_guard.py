"""Who may come in: names, origins, tokens and their file."""

import stat
from pathlib import Path

import pytest

from pilothouse.serving.guard import Guard, TokenFileError, is_loopback, own_names, token_of


@pytest.mark.parametrize(
    ("listens_at", "host", "let_in"),
    [
        pytest.param("127.0.0.1", "127.0.0.1:8480", True, id="as printed"),
        pytest.param("127.0.0.1", "localhost:8480", True, id="the usual name"),
        pytest.param("127.0.0.1", "LOCALHOST", True, id="in capitals, without a port"),
        pytest.param("127.0.0.1", "[::1]:8480", True, id="the other loopback"),
        pytest.param("127.0.0.1", "evil.example:8480", False, id="a foreign name that leads here"),
        pytest.param("127.0.0.1", "localhost.evil.example", False, id="a name that begins alike"),
        pytest.param("127.0.0.1", "127.0.0.1@evil.example", False, id="with a user before it"),
        pytest.param("127.0.0.1", "[::1", False, id="no host at all"),
        pytest.param("127.0.0.1", "", False, id="none"),
        pytest.param("127.0.0.1", "10.0.0.5", False, id="another address"),
        pytest.param("0.0.0.0", "10.0.0.5:8480", True, id="any address where it listens at all"),
        pytest.param("0.0.0.0", "evil.example", False, id="but no name"),
        pytest.param("0.0.0.0", "harbour.home:8480", True, id="but one that was allowed"),
    ],
)
def test_only_own_names_are_answered(listens_at: str, host: str, let_in: bool) -> None:
    guard = Guard(token="t", hosts=own_names(listens_at, ["Harbour.home"]), any_address=listens_at == "0.0.0.0")
    assert (guard.refusal_of_host(host) == "") is let_in


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        pytest.param("http://127.0.0.1:8480", True, id="itself"),
        pytest.param("https://127.0.0.1:8480", True, id="itself behind a proxy with TLS"),
        pytest.param("http://127.0.0.1:9999", False, id="another port"),
        pytest.param("http://localhost:8480", False, id="another name of it"),
        pytest.param("http://evil.example", False, id="another site"),
        pytest.param("null", False, id="a sandboxed frame"),
        pytest.param("", False, id="none"),
    ],
)
def test_only_own_pages_open_connections(origin: str, let_in: bool) -> None:
    guard = Guard(token="t", hosts=own_names("127.0.0.1"))
    assert (guard.refusal_of_origin(origin, "127.0.0.1:8480") == "") is let_in


def test_a_token_is_told_from_all_others() -> None:
    guard = Guard(token="correct-horse", hosts=frozenset())
    assert guard.admits_token("correct-horse")
    assert not guard.admits_token("correct-hors")
    assert not guard.admits_token("")
    assert not guard.admits_token("ö")
    assert not guard.admits_cookie("correct-horse")
    assert guard.admits_cookie(guard.cookie)


def test_loopback_is_what_only_this_computer_reaches() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "harbour.home", "")] == [False] * 5


def test_a_token_file_is_made_for_its_owner_alone_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "token"
    made = token_of(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token_of(file) == made
    assert token_of(None) != token_of(None)


@pytest.mark.parametrize(
    ("mode", "text", "words"),
    [
        pytest.param(0o640, "a-token-that-is-long-enough", "chmod 600", id="readable to others"),
        pytest.param(0o600, "short", "at least 16 characters", id="too short"),
        pytest.param(0o600, "two words are no token at all", "at least 16 characters", id="not one word"),
        pytest.param(0o600, "", "at least 16 characters", id="empty"),
    ],
)
def test_a_token_file_that_keeps_no_secret_is_refused(tmp_path: Path, mode: int, text: str, words: str) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    with pytest.raises(TokenFileError, match=words):
        token_of(file)
