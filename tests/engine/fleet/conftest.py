from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.fleet.sshd import Sshd


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "sshd")
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def no_user_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Tests see a home of their own: no config, no agent, no keys of whoever runs them."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home
