"""What import-linter cannot see: what a program loads when it runs."""

import subprocess
import sys

import pytest


def loaded_by(module: str) -> set[str]:
    script = f"import sys, {module}; print(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    ("program", "never"),
    [
        # structlog loads rich wherever it is installed; what is installed on a machine does not include it.
        pytest.param("nodeagent.main", {"textual", "asyncssh", "engine", "tui", "kubernetes_validate"}, id="agent"),
        pytest.param("tui.app", {"engine", "nodeagent", "asyncssh", "grpc", "kubernetes_validate"}, id="tui"),
        pytest.param("engine.main", {"textual", "nodeagent", "tui", "grpc"}, id="engine"),
        pytest.param(
            "pilothouse.main", {"textual", "engine", "tui", "asyncssh", "aiohttp"}, id="command before its subcommand"
        ),
    ],
)
def test_program_loads_only_what_it_needs(program: str, never: set[str]):
    assert not loaded_by(program) & never
