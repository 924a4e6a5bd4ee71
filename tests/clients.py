"""The real clients that tests drive: those that scripts/setup --tests fetched, else those on PATH."""

import shutil
from pathlib import Path

FETCHED = Path(__file__).resolve().parents[1] / ".venv/clients"


KUBECTLS = ("kubectl", "kubectl-1.32")
"""The newest kubectl, and the oldest one that we look after."""


def find_client(name: str) -> str:
    """The path of a client. A test that needs one fails where there is none: it must not pass unseen."""
    found = str(FETCHED / name) if (FETCHED / name).exists() else shutil.which(name)
    assert found, f"no {name}: run scripts/setup --tests"
    return found
