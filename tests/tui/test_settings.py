"""The user's files, in k9s' formats: what they mean, what is said when they are wrong, that changes are seen."""

from pathlib import Path
from typing import Any

import pytest

from apimachinery.objects.resources import CONFIGMAPS, Resource
from tests.tui.driving import Start, said, screen_text
from tests.tui.screens.test_machines import told, until
from tests.tui.screens.test_operating import press
from tui.keymap import PRESETS
from tui.screens.base import ClusterScreen
from tui.screens.keypage import SCREENS
from tui.screens.rebinding import keymap_of, shipped
from tui.settings import Settings, SettingsFolder, filled, key_name

BOATS = Resource("example.com", "v1", "boats", "Boat", namespaced=True)
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
    wrong = "plugins:\n  bad:\n    shortCut: x\n    command: echo\n    tubes: [a]\n  good:\n    command: echo\n"
    settings = folder(tmp_path, plugins=wrong, aliases="aliases: [a]\n", hotkeys="hotKeys: {a: [\n")
    async with start(size=(120, 40), settings=settings) as pilot:
        text = said(pilot)
        assert "plugins.yaml: bad: Object contains unknown field `tubes`" in text
        assert "aliases.yaml: not a mapping of names" in text
        assert "hotkeys.yaml: while parsing" in text
        assert list(pilot.app.settings.current.plugins) == ["good"]  # type: ignore[attr-defined]


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


# keys


async def test_other_keys_do_what_they_were_given_and_are_shown(start: Start, tmp_path: Path) -> None:
    settings = folder(tmp_path, keys="keys:\n  describe: Ctrl-J\n  shell: [x, F4]\n  down: n\n  namespace: F2\n")
    async with start(size=(120, 40), settings=settings) as pilot:
        assert "^j describe" in screen_text(pilot)
        await press(pilot, "n", "d")
        assert "default ▸ pods" in screen_text(pilot)
        await press(pilot, "ctrl+j")
        assert "CrashLoopBackOff" in screen_text(pilot)
        assert "mailer-5d4c-x8k2v describe" in screen_text(pilot)


async def test_a_preset_gives_the_keys_of_k9s_and_is_read_live(start: Start, tmp_path: Path) -> None:
    settings = folder(tmp_path)
    async with start(size=(160, 40), settings=settings) as pilot:
        await press(pilot, "colon", *"deploy", "enter")
        await press(pilot, "s")
        assert "Scale" not in screen_text(pilot)
        await press(pilot, "escape")
        (tmp_path / "keys.yaml").write_text("preset: k9s\n")
        pilot.app._look_at_settings()  # type: ignore[attr-defined]
        await press(pilot, "colon", *"deploy", "enter")
        await press(pilot, "s")
        assert "Scale" in screen_text(pilot)
        await press(pilot, "escape", "colon", *"no", "enter")
        assert "r drain" in screen_text(pilot)


async def test_two_meanings_of_one_key_are_told_and_the_chosen_one_holds(start: Start, tmp_path: Path) -> None:
    settings = folder(tmp_path, keys="preset: emacs\nkeys:\n  describe: y\n  jump: x\n")
    async with start(size=(160, 40), settings=settings) as pilot:
        text = said(pilot)
        assert 'there is no "emacs", only ours, k9s, vim' in text
        assert "nothing is called jump" in text
        assert "y is both describe and yaml" in text
        await press(pilot, "j", "y")
        assert "mailer-5d4c-x8k2v describe" in screen_text(pilot)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_name_what_there_is(preset: str) -> None:
    assert set(PRESETS[preset]) <= set(shipped())
    assert keymap_of(Settings(preset=preset))[1] == []


def test_everything_that_a_key_does_has_a_name() -> None:
    for _, screen in SCREENS:
        for one in screen.BINDINGS:
            assert not issubclass(screen, ClusterScreen) or one.id, one  # type: ignore[union-attr]


# views


VIEWS = """
views:
  v1/pods:
    sortColumn: RESTARTS:desc
    columns: [RESTARTS, NAME, "APP:.metadata.labels.app", "IMG:.spec.containers[0].image|W", "BORN:.metadata.creationTimestamp|T",
      "PORT:.spec.containers[0].ports[0].containerPort|N", STATUS|H]
  v1/pods@kube-.*:
    columns: [NAME, "NOTHING:.spec.none"]
"""


async def test_columns_are_the_users_live_and_per_namespace(start: Start, tmp_path: Path) -> None:
    settings = folder(tmp_path, views=VIEWS)
    async with start(size=(120, 30), settings=settings) as pilot:
        header = next(line for line in screen_text(pilot).splitlines() if "RESTARTS" in line)
        assert [word for word in header.split() if word != "IMG"][:5] == ["RESTARTS↓", "NAME", "APP", "BORN", "PORT"]
        assert "STATUS" not in header
        first = [word for word in screen_text(pilot).splitlines()[3].split() if word != "nginx:1.27"]
        assert first[:5] == ["17", "mailer-5d4c-x8k2v", "mailer", "50m", "80"]
        await press(pilot, "ctrl+w")
        assert "nginx:1.27" in screen_text(pilot)
        await press(pilot, "colon", *"po kube-system", "enter")
        assert "NOTHING" in screen_text(pilot)
        assert "<none>" in screen_text(pilot)
        (tmp_path / "views.yaml").write_text('views: {pods: {columns: ["Q:.status.qosClass"]}}')
        pilot.app._look_at_settings()  # type: ignore[attr-defined]
        await until(pilot, "Burstable")


async def test_a_column_that_cannot_be_understood_is_said(start: Start, tmp_path: Path) -> None:
    wrong = "views:\n  v1/pods:\n    columns: [NAME, 'X:.spec[']\n  v1/services:\n    columns: ['Y:']\n    width: 3\n"
    async with start(size=(140, 40), settings=folder(tmp_path, views=wrong)) as pilot:
        text = said(pilot)
        assert "views.yaml: v1/pods: columns[1]: unrecognized character in action: .spec[" in text
        assert "views.yaml: v1/services: Object contains unknown field `width`" in text
        assert "CrashLoopBackOff" in screen_text(pilot)


# jumps


async def test_enter_jumps_where_the_user_says(start: Start, tmp_path: Path) -> None:
    jumps = (
        "jumps:\n  example.com/v1/boats:\n    targetGVR: v1/pods\n"
        "    labelSelector: 'app={{ .metadata.labels.app }}'\n    targetNamespace: default\n"
        "  v1/services:\n    targetGVR: v1/nothings\n    fieldSelector: a=b\n  v1/nodes: {targetGVR: v1/pods}\n"
    )
    async with start(size=(120, 30), settings=folder(tmp_path, jumps=jumps), resource=BOATS) as pilot:
        assert "jumps.yaml: v1/nodes: needs a labelSelector or a fieldSelector" in said(pilot)
        await press(pilot, "enter")
        assert "pilot-1: it has no .metadata.labels.app" in said(pilot)
        boat = pilot.app.session.transport.get("boats", "default/pilot-1")  # type: ignore[attr-defined]
        boat["metadata"]["labels"] = {"app": "web"}
        await press(pilot, "enter")
        assert "web-7c5d-4xk2p" in screen_text(pilot)
        assert "redis" not in screen_text(pilot)
        await press(pilot, "colon", *"svc", "enter", "enter")
        assert "the server has no v1/nothings" in said(pilot)


# plugins that ask, and that pipe


ASKING = """
plugins:
  count:
    shortCut: Ctrl-G
    scopes: [pods]
    background: true
    description: Count
    command: printf
    args: ['%s\\n', $NAME, $WORD, $MANY, $SURE, $SIDE]
    pipes: ["grep -v ^$NAMESPACE", "tr a-z A-Z"]
    inputs:
      - {name: word, label: A word, required: true}
      - {name: many, type: number, default: 3}
      - {name: sure, type: bool, default: true}
      - {name: side, type: dropdown, options: [left, right], default: right}
"""


async def test_a_plugin_asks_first_and_its_output_goes_through_pipes(start: Start, tmp_path: Path) -> None:
    async with start(size=(100, 40), settings=folder(tmp_path, plugins=ASKING)) as pilot:
        await press(pilot, "j", "ctrl+g")
        assert "A word *" in screen_text(pilot)
        await press(pilot, "enter")
        assert "A word is needed." in screen_text(pilot)
        await press(pilot, *"salt", "enter")
        await until(pilot, "MAILER-5D4C-X8K2V")
        assert "MAILER-5D4C-X8K2V SALT 3 TRUE RIGHT" in said(pilot)
