"""Which keys do what: the shipped ones, a preset, and what the user puts in `keys.yaml`. Pure.

Each thing that a key does has a name (docs/KEYS.md lists them). A keymap gives names other keys, as Textual writes
them, several with commas between. Two names on one key are a clash wherever both mean something: it is told, and the
one that was chosen by hand, or later, keeps the key.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

PRESETS: dict[str, dict[str, str]] = {
    "ours": {},
    "k9s": {
        "shell": "s",
        "scale": "s",
        "drain": "r",
        "restart": "r",
        "rollout": "z",
        "sanitize": "z",
        "suspend": "s",
        "aliases": "ctrl+a",
        "log.follow": "s,space",
        "logs.timestamps": "t",
    },
    "vim": {
        "page_up": "ctrl+u,ctrl+b,pageup",
        "page_down": "ctrl+d,ctrl+f,pagedown",
        "text.page_up": "ctrl+u,ctrl+b,pageup",
        "text.page_down": "ctrl+d,ctrl+f,pagedown,space",
        "log.page_up": "ctrl+u,ctrl+b,pageup",
        "log.page_down": "ctrl+d,ctrl+f,pagedown",
        "delete": "x",
        "older": "ctrl+o",
        "newer": "ctrl+i,tab",
    },
}
_REPLACED = {"solidus": "slash", "reverse_solidus": "backslash", "commercial_at": "at", "hyphen_minus": "minus",
             "plus_sign": "plus", "low_line": "underscore"}  # fmt: skip
_SIGNS = {"colon": ":", "slash": "/", "question_mark": "?", "left_square_bracket": "[", "right_square_bracket": "]",
          "minus": "-", "plus": "+", "backslash": "\\", "escape": "Esc", "enter": "⏎", "space": "Space", "up": "↑",
          "down": "↓", "left": "←", "right": "→", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home", "end": "End",
          "tab": "⇥"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clash:
    """Two names that the same key calls at the same `place`; `winner` has it."""

    key: str
    place: str
    winner: str
    loser: str

    def __str__(self) -> str:
        both = f"{label(self.key)} is both {self.winner} and {self.loser}"
        return f"keys.yaml: {both} ({self.place}): it stays {self.winner}"


@dataclass(frozen=True, slots=True)
class Keymap:
    """`defaults` are the shipped keys of every name; `own` is what stands in `keys.yaml`."""

    defaults: Mapping[str, str] = field(default_factory=dict[str, str])
    preset: str = "ours"
    own: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def chosen(self) -> dict[str, str]:
        """The names whose keys are not the shipped ones, later choices last."""
        wanted = {**PRESETS.get(self.preset, {}), **self.own}
        return {name: keys for name, keys in wanted.items() if name in self.defaults}

    @property
    def whole(self) -> dict[str, str]:
        """The keys of every name; empty when they are the shipped ones."""
        return {**self.defaults, **self.chosen} if self.chosen else {}

    def keys(self, name: str) -> str:
        return self.chosen.get(name) or self.defaults.get(name, "")

    def unknown(self) -> list[str]:
        """Names in `keys.yaml` that nothing is called by."""
        return [name for name in self.own if name not in self.defaults]

    def yields(self, name: str, others: Collection[str]) -> bool:
        """Whether another of `others`, which mean something here too, has the key of `name`."""
        mine = set(self.keys(name).split(","))
        shared = [one for one in others if one != name and mine & set(self.keys(one).split(","))]
        return any(self._rank(one) > self._rank(name) for one in shared)

    def clashes(self, places: Iterable[tuple[str, Collection[str]]]) -> list[Clash]:
        """What the user's own choices bring about; `places` are names that mean something at the same time."""
        found: dict[tuple[str, str, str], Clash] = {}
        for place, names in places:
            by_key: dict[str, list[str]] = {}
            for name in names:
                for key in self.keys(name).split(","):
                    by_key.setdefault(key, []).append(name)
            for key, sharing in by_key.items():
                *losers, winner = sorted(sharing, key=self._rank)
                for loser in losers:
                    if winner in self.own or loser in self.own:
                        found.setdefault((key, winner, loser), Clash(key, place, winner, loser))
        return list(found.values())

    def _rank(self, name: str) -> int:
        chosen = list(self.chosen)
        return chosen.index(name) if name in chosen else -1


def sign_name(char: str) -> str:
    """`:` is `colon`: a sign as Textual names it; letters and digits are their own names."""
    if len(char) != 1 or char.isalnum():
        return char
    name = unicodedata.name(char, char).lower().replace("-", "_").replace(" ", "_")
    return _REPLACED.get(name, name)


def label(keys: str) -> str:
    """The first of these keys as people read it: `^d`, `:`, `Shift-←`."""
    *modifiers, key = keys.split(",", maxsplit=1)[0].split("+")
    text = _SIGNS.get(key, key if len(key) == 1 else key.capitalize())
    for modifier in reversed(modifiers):
        text = f"^{text}" if modifier == "ctrl" else f"{modifier.capitalize()}-{text}"
    return text
