"""The user's files, in k9s' formats: what they mean, what is said when they are wrong, that changes are seen."""

from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects.resources import CONFIGMAPS
from tests.tui.driving import Start, said, screen_text
from tests.tui.screens.test_machines import told, until
from tests.tui.screens.test_operating import press
from tui.settings import Settings, SettingsFolder, filled, key_name

ALIASES = "aliases:\n  pp: v1/pods\n  dep: apps/v1/deployments\n  sys: pods kube-system\n"
HOTKEYS = "hotKeys:\n  one:\n    shortCut: Shift-0\n    description: Services\n    command: svc\n"
PLUGINS = """
plugins:
  note:
    shortCut: Ctrl-G
    scopes: [pods]
    description: Write it down
    command: sh
    background: true
    args: [-c, 'printf "%s " "$@" > {log}; echo noted', x, $NAME, $NAMESPACE, $CONTEXT, $COL-STATUS]
  wipe:
    shortCut: Ctrl-Y
    scopes: [all]
    dangerous: true
    command: "true"
"""


def folder(tmp_path: Path, **files: str) -> SettingsFolder:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return SettingsFolder(tmp_path)


async def test_an_alias_may_be_a_kind_or_a_whole_command(start: Start, tmp_path: Path) -> None:
    async with start(settings=folder(tmp_path, aliases=ALIASES)) as pilot:
        await press(pilot, "colon", *"dep", "enter")
        assert "default ▸ deployments" in screen_text(pilot)
        await press(pilot, "colon", *"sys", "enter")
        assert "kube-system ▸ pods" in screen_text(pilot)
        await press(pilot, "colon", *"pp shop", "enter")
        assert "shop ▸ pods" in screen_text(pilot)


async def test_a_hotkey_runs_its_command(start: Start, tmp_path: Path) -> None:
    async with start(size=(100, 80), settings=folder(tmp_path, hotkeys=HOTKEYS)) as pilot:
        await press(pilot, "right_parenthesis")
        assert "default ▸ services" in screen_text(pilot)
        await press(pilot, "question_mark")
        assert "Shift-0 Services" in said(pilot)


async def test_a_plugin_runs_for_the_row_where_it_is_meant_to(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = folder(tmp_path, plugins=PLUGINS.replace("{log}", str(log)))
    async with start(size=(100, 30), settings=settings) as pilot:
        await press(pilot, "j", "ctrl+g")
        await until(pilot, "noted")
        assert told(log) == "mailer-5d4c-x8k2v default lab CrashLoopBackOff "
    async with start(size=(100, 30), settings=settings, resource=CONFIGMAPS) as pilot:
        log.unlink()
        await press(pilot, "ctrl+g")
        assert told(log) == ""


async def test_a_dangerous_plugin_asks_and_is_refused_when_nothing_may_change(start: Start, tmp_path: Path) -> None:
    settings = folder(tmp_path, plugins=PLUGINS)
    async with start(size=(100, 30), settings=settings) as pilot:
        await press(pilot, "ctrl+y")
        assert "Run wipe?" in screen_text(pilot)
    async with start(size=(100, 30), settings=settings, readonly=True) as pilot:
        await press(pilot, "ctrl+y")
        assert "wipe is marked dangerous" in said(pilot)


async def test_what_is_wrong_is_said_by_file_and_field_and_the_rest_holds(start: Start, tmp_path: Path) -> None:
    wrong = "plugins:\n  bad:\n    shortCut: x\n    command: echo\n    pipes: [a]\n  good:\n    command: echo\n"
    settings = folder(tmp_path, plugins=wrong, aliases="aliases: [a]\n", hotkeys="hotKeys: {a: [\n")
    async with start(size=(120, 40), settings=settings) as pilot:
        text = said(pilot)
        assert "plugins.yaml: bad: Object contains unknown field `pipes`" in text
        assert "aliases.yaml: not a mapping of names" in text
        assert "hotkeys.yaml: while parsing" in text
        assert list(pilot.app.settings.current.plugins) == ["good"]


def test_changes_are_seen_and_a_context_adds_its_own(tmp_path: Path) -> None:
    settings = folder(tmp_path, aliases=ALIASES)
    assert settings.load("prod/eu")
    assert not settings.load("prod/eu")
    own = tmp_path / "contexts" / "prod-eu"
    own.mkdir(parents=True)
    (own / "aliases.yaml").write_text("aliases: {pp: secrets, mine: svc}\n")
    assert settings.load("prod/eu")
    assert settings.current.expand("pp x") == "secrets x"
    assert settings.load("lab")
    assert settings.current.expand("pp x") == "pods x"
    (tmp_path / "aliases.yaml").unlink()
    assert settings.load("lab")
    assert settings.current.aliases == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [("Ctrl-L", "ctrl+l"), ("Shift-S", "S"), ("Shift-0", "right_parenthesis"), ("F3", "f3"), ("x", "x"), ("X", "X"),
     ("Ctrl-Shift-F1", "ctrl+shift+f1")],
)  # fmt: skip
def test_keys_are_read_as_k9s_writes_them(text: str, name: str) -> None:
    assert key_name(text) == name


def test_words_are_filled_in_the_longest_first() -> None:
    told: dict[str, Any] = {"NAME": "web", "NAMESPACE": "shop"}
    assert filled("$NAMESPACE/$NAME ${NAME} $OTHER", told) == "shop/web web $OTHER"
    assert filled("$NAME", {"NAME": "$NAMESPACE", "NAMESPACE": "shop"}) == "$NAMESPACE", "what is filled in is no word"
    assert Settings().expand("po kube-system") == "po kube-system"


def saved(folder: Path) -> list[Path]:
    return list(folder.rglob("*.csv"))


async def test_a_table_is_saved_as_it_is_shown(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with start(size=(100, 30)) as pilot:
        await press(pilot, "slash", *"web", "enter", "ctrl+s")
        assert "Saved 3 rows" in said(pilot)
    [file] = saved(tmp_path)
    lines = told(file).splitlines()
    assert lines[0].startswith("Name,Ready,Status")
    assert [line.split(",")[0] for line in lines[1:]] == ["web-7c5d-4xk2p", "web-7c5d-9wq7t", "web-7c5d-bz8nd"]
    assert file.stat().st_mode & 0o077 == 0
