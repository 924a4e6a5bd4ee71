"""Theme files: shipped, of the user, incomplete, broken."""

from pathlib import Path

import pytest
from textual.color import Color

from tui.palette import DEFAULT_DARK, DEFAULT_LIGHT, load_palette

SHIPPED = sorted(load_palette(Path("no-such-folder")).themes)


def test_the_shipped_themes_load_without_a_problem(tmp_path: Path) -> None:
    palette = load_palette(tmp_path)
    assert {DEFAULT_DARK, DEFAULT_LIGHT} <= set(palette.themes)
    assert palette.problems == []
    assert palette.themes[DEFAULT_LIGHT].dark is False


@pytest.mark.parametrize("theme", SHIPPED)
@pytest.mark.parametrize(("role", "least"), [("ok", 4.0), ("warn", 4.0), ("bad", 4.0), ("muted", 3.5), ("key", 4.0)])
def test_roles_are_legible_on_the_background(tmp_path: Path, theme: str, role: str, least: float) -> None:
    chosen = load_palette(tmp_path).themes[theme]
    background = Color.parse(chosen.background or "")
    assert background.get_contrast_text(1) is not None
    assert _contrast(Color.parse(chosen.variables[role]), background) >= least


def test_there_are_themes_for_every_eye_and_room() -> None:
    palette = load_palette(Path("no-such-folder"))
    assert len(SHIPPED) >= 10
    assert sum(not theme.dark for theme in palette.themes.values()) >= 4
    assert any("colour-blind" in title for title in palette.titles.values())


@pytest.mark.parametrize("name", ["ink-dark", "ink-light"])
def test_monochrome_themes_have_no_hue(name: str) -> None:
    theme = load_palette(Path("no-such-folder")).themes[name]
    for value in theme.variables.values():
        if value.startswith("#"):
            color = Color.parse(value)
            assert max(color.rgb) - min(color.rgb) <= 2, value


@pytest.mark.parametrize("name", ["clear-dark", "clear-light"])
def test_colour_blind_safe_themes_tell_good_from_bad_by_more_than_red_and_green(name: str) -> None:
    theme = load_palette(Path("no-such-folder")).themes[name]
    good, bad = Color.parse(theme.variables["ok"]), Color.parse(theme.variables["bad"])
    # What red-green blind eyes keep is the blue channel and lightness.
    assert abs(good.b - bad.b) > 80


def _contrast(one: Color, other: Color) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Color) -> float:
    """WCAG 2 relative luminance."""
    parts = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_three_colours_make_a_theme(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[colors]\nbackground = "#000"\nforeground = "#fff"\nprimary = "#0af"\n')
    theme = load_palette(tmp_path).themes["mine"]
    assert set(theme.variables) >= {"ok", "warn", "bad", "muted", "cursor", "source-8", "match"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("not toml at all [", id="syntax"),
        pytest.param('[colors]\nbackground = "#000"\n', id="colour-missing"),
        pytest.param('[colors]\nbackground = "#000"\nforeground = "nocolour"\nprimary = "#0af"\n', id="no-colour"),
        pytest.param('[colours]\nbackground = "#000"\n', id="unknown-section"),
    ],
)
def test_a_broken_theme_is_reported_and_the_others_still_load(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.toml").write_text(text)
    palette = load_palette(tmp_path)
    assert "broken" not in palette.themes
    assert palette.problems
    assert palette.problems[0].startswith("theme broken: ")
    assert DEFAULT_DARK in palette.themes


SKIN = """
foreground: &foreground "#f8f8f2"
k9s:
  body: {fgColor: *foreground, bgColor: default, logoColor: "#bd93f9"}
  info: {fgColor: white, sectionColor: *foreground}
  frame:
    menu: {fgColor: *foreground, keyColor: dodgerblue}
    status: {addColor: "#50fa7b", modifyColor: "#ffb86c", errorColor: no-such-colour, killColor: "#ff5555"}
  views:
    yaml: {keyColor: "#ff79c6", valueColor: *foreground}
"""


def test_a_k9s_skin_is_a_theme_with_its_colours_in_our_roles(tmp_path: Path) -> None:
    (tmp_path / "dracula.yaml").write_text(SKIN)
    palette = load_palette(tmp_path)
    assert palette.problems == []
    theme = palette.themes["dracula"]
    assert theme.dark
    assert theme.foreground == "#F8F8F2"
    assert theme.primary == Color.parse("dodgerblue").hex
    assert theme.variables["ok"] == "#50FA7B"
    assert theme.variables["bad"] == "#FF5555", "the next that is a colour"
    assert theme.variables["key"] == "#FF79C6"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a: [", "not a skin", id="no-yaml"),
        pytest.param("colors: {}", "it has no k9s section", id="another-file"),
        pytest.param("- a", "not a skin", id="a-list"),
    ],
)
def test_a_file_that_is_no_skin_is_told_of_and_spoils_no_other(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "wrong.yml").write_text(text)
    palette = load_palette(tmp_path)
    assert len(palette.problems) == 1
    assert said in palette.problems[0]
    assert DEFAULT_DARK in palette.themes
