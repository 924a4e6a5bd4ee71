"""What is typed after `:`: `kind [namespace] [/filter] [-l labels]`, or a word for the app itself. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from apimachinery.objects.resources import Resource
from tui.kinds.aliases import Aliases

APP_WORDS: dict[str, str] = {
    "q": "quit",
    "q!": "quit",
    "quit": "quit",
    "exit": "quit",
    "?": "help",
    "h": "help",
    "help": "help",
    "themes": "themes",
    "theme": "themes",
    "journal": "journal",
    "pulses": "pulses",
    "pulse": "pulses",
    "pu": "pulses",
    "hz": "pulses",
    "pf": "forwards",
    "portforward": "forwards",
    "portforwards": "forwards",
    "aliases": "aliases",
    "alias": "aliases",
    "a": "aliases",
}

ALL_NAMESPACES = frozenset({"all", "*", "-a"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Either `word` (an action of the app) or `resource` is set, unless `error` says why not.

    `namespace` is None when none was named, "" for all of them.
    """

    word: str = ""
    resource: Resource | None = None
    namespace: str | None = None
    filter: str = ""
    label_selector: str = ""
    error: str = ""


def parse_command(text: str, aliases: Aliases) -> Command:
    head, slash, wanted = text.strip().partition(" /")
    words = head.split()
    if not words:
        return Command(error="nothing was typed")
    first = words[0].lower()
    if len(words) == 1 and first in APP_WORDS:
        return Command(word=APP_WORDS[first])
    resource = aliases.resolve(first)
    if resource is None:
        near = aliases.complete(first[:2])[:3]
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        return Command(error=f'the server has no kind named "{words[0]}"{hint}')
    rest, labels = _labels(words[1:])
    namespace = None
    for word in rest:
        namespace = "" if word.lower() in ALL_NAMESPACES else word
    return Command(
        resource=resource, namespace=namespace, filter=wanted.strip() if slash else "", label_selector=labels
    )


def _labels(words: Sequence[str]) -> tuple[list[str], str]:
    """Splits off labels, written `-l a=b` or just `a=b`."""
    plain = [word for word in words if "=" not in word and word != "-l"]
    return plain, ",".join(word for word in words if "=" in word)


def complete_command(text: str, aliases: Aliases, namespaces: Sequence[str]) -> list[str]:
    """Whole lines that `text` may become: kinds and words first, namespaces after a kind."""
    head, space, last = text.rpartition(" ")
    if not text:
        return []
    if not space:
        words = sorted({word for word in APP_WORDS if len(word) > 2 and word.startswith(text.lower())})
        return [*aliases.complete(text), *words]
    if last.startswith("/") or aliases.resolve(head.split()[0] if head.split() else "") is None:
        return []
    return [f"{head} {name}" for name in sorted(namespaces) if name.startswith(last.lower()) and name != last]
