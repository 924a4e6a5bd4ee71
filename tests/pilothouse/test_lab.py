"""`pilothouse lab` with real machines; joining them is tested in tests/lab."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.images import oci
from lab.machines import Lab


def pilothouse(data_dir: Path, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pilothouse", "--data-dir", str(data_dir), "lab", *words],
        capture_output=True, text=True, timeout=60, check=False, input=stdin,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("data")
    try:
        done = pilothouse(folder, "up", "--machines", "2", "--no-join")
        assert done.returncode == 0, done.stderr
        yield folder
    finally:
        Lab.open(folder).down()


@pytest.mark.lab
def test_status_lists_the_machines(data_dir: Path) -> None:
    table = pilothouse(data_dir, "status").stdout.splitlines()
    assert [line.split()[:2] for line in table] == [["NAME", "STATE"], ["m1", "running"], ["m2", "running"]]
    machines = json.loads(pilothouse(data_dir, "status", "--output", "json").stdout)
    assert [machine["name"] for machine in machines] == ["m1", "m2"]
    assert Path(machines[0]["sshKey"]).exists()


@pytest.mark.lab
def test_shell_runs_a_command_with_its_input_and_exit_code(data_dir: Path) -> None:
    done = pilothouse(data_dir, "shell", "m2", "sh", "-c", "cat; hostname; exit 7", stdin="in ")
    assert (done.returncode, done.stdout) == (7, "in m2\n")


@pytest.mark.lab
def test_shell_without_a_command_is_a_login_shell(data_dir: Path) -> None:
    done = pilothouse(data_dir, "shell", "m1", stdin="hostname; echo $HOME\n")
    assert done.stdout.split() == ["m1", "/root"]


@pytest.mark.lab
def test_up_again_builds_and_boots_nothing(data_dir: Path) -> None:
    done = pilothouse(data_dir, "up", "--machines", "2", "--no-join")
    assert done.returncode == 0
    assert "booted" not in done.stdout
    assert "built" not in done.stdout


@pytest.mark.lab
def test_a_machine_goes_through_all_its_states(data_dir: Path) -> None:
    seen: list[str] = []
    for word in ("cut", "heal", "stop", "boot"):
        assert pilothouse(data_dir, word, "m2").returncode == 0
        seen.append(Lab.open(data_dir).machine("m2").state)
    assert seen == ["cut off", "running", "off", "running"]


@pytest.mark.lab
def test_an_archive_is_loaded_under_its_own_name(data_dir: Path, tmp_path: Path) -> None:
    image = oci.Image(
        name="ghcr.io/me/thing:v1", layers=((oci.text("a", "1"),),), config={}, architecture="amd64"
    )  # fmt: skip
    (tmp_path / "thing.tar").write_bytes(oci.archive(image))
    done = pilothouse(data_dir, "load-image", str(tmp_path / "thing.tar"))
    assert (done.returncode, done.stdout) == (0, "loaded ghcr.io/me/thing:v1\n")


@pytest.mark.lab
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(["shell", "m9"], "lab 'lab' has no machine 'm9' (it has: m1, m2)", id="no such machine"),
        pytest.param(["status", "--name", "other"], "there is no lab 'other'; `pilothouse lab up` makes one", id="no lab"),
        pytest.param(["load-image", "/etc/hostname"], "/etc/hostname is no usable image archive", id="no archive"),
        pytest.param(["up", "--machines", "0"], "a lab has 1 to 99 machines, not 0", id="no machines"),
        pytest.param(["status", "--name", "../x"], "'../x' is no name for a lab", id="bad name"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(data_dir: Path, words: list[str], complaint: str) -> None:
    done = pilothouse(data_dir, *words)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {complaint}")


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else, which takes root")
@pytest.mark.parametrize("words", [["up"], ["down"], ["shell", "m1"], ["cut", "m1"]], ids=" ".join)
def test_without_root_it_says_so(tmp_path: Path, words: list[str]) -> None:
    code = "import os, sys; os.geteuid = lambda: 1000; sys.argv[0] = 'pilothouse'; from pilothouse.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--data-dir", str(tmp_path), "lab", *words], capture_output=True, text=True,
        check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "Error: a lab needs root: run it with sudo\n")


@pytest.mark.lab
def test_down_removes_the_lab_and_may_be_repeated(tmp_path: Path) -> None:
    assert pilothouse(tmp_path, "up", "--machines", "1", "--no-join", "--name", "short").returncode == 0
    for _ in range(2):
        assert pilothouse(tmp_path, "down", "--name", "short").returncode == 0
    assert "there is no lab 'short'" in pilothouse(tmp_path, "status", "--name", "short").stderr
