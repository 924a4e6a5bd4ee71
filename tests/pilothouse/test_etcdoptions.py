"""Where objects live, as words of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pilothouse.etcdoptions import StoreOptions, store_options, stored_in

ETCD = ("--store", "etcd", "--etcd-endpoints", "https://a:2379, https://b:2379")


def parsed(*words: str) -> tuple[StoreOptions | None, str]:
    seen: list[StoreOptions] = []

    @click.command()
    @store_options
    def command(**given: Any) -> None:
        seen.append(stored_in(**given))

    answer = CliRunner().invoke(command, words)
    return (seen[0] if seen else None), answer.output


def test_words_survive_being_handed_on_to_a_new_process(tmp_path: Path) -> None:
    words = (*ETCD, "--etcd-user", "u", "--etcd-password-file", str(tmp_path / "p"), "--pki-dir", str(tmp_path))
    options, output = parsed(*words)
    assert options is not None, output
    assert options.etcd_endpoints == ("https://a:2379", "https://b:2379")
    assert parsed(*options.arguments())[0] == options


def test_nothing_said_is_sqlite() -> None:
    options, _ = parsed()
    assert options == StoreOptions()
    assert StoreOptions().arguments() == ["--store", "sqlite"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("--store", "etcd"), "--store etcd needs --etcd-endpoints", id="no endpoints"),
        pytest.param(ETCD[2:], "--etcd-endpoints needs --store etcd", id="endpoints alone"),
        pytest.param((*ETCD, "--etcd-certfile", "c"), "go together", id="certificate without key"),
        pytest.param((*ETCD, "--etcd-password", "secret"), "No such option", id="a password in plain sight"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words: tuple[str, ...], message: str) -> None:
    options, output = parsed(*words)
    assert options is None
    assert message in output
