"""What is typed after `:`: `kind [namespaces] [/filter] [-l labels] [@context ...]`, or a word for the app. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from apimachinery.objects.resources import Resource
from tui.fuzzy import best
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
    "helm": "helm",
    "hm": "helm",
    "can": "can",
    "who": "who",
    "who-can": "who",
    "join": "join",
    "ctx": "contexts",
    "context": "contexts",
    "contexts": "contexts",
    "pulses": "pulses",
    "pulse": "pulses",
    "pu": "pulses",
    "hz": "pulses",
    "pf": "port-forwards",
    "portforward": "port-forwards",
    "portforwards": "port-forwards",
    "aliases": "aliases",
    "alias": "aliases",
    "a": "aliases",
    "workloads": "workloads",
    "workload": "workloads",
    "wk": "workloads",
    "screendumps": "dumps",
    "dumps": "dumps",
    "sd": "dumps",
    "users": "users",
    "usr": "users",
    "groups": "groups",
    "grp": "groups",
    "xray": "xray",
    "xr": "xray",
    "x": "xray",
    "health": "health",
    "dir": "dir",
    "ls": "dir",
}

WITH_WORDS = frozenset({"can", "who", "helm", "workloads", "xray"})
"""Words that take what follows them: a subject, a question, a namespace, a kind."""

EVERY_CONTEXT = "all"

ALL_NAMESPACES = frozenset({"all", "*", "-a"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Either `word` (an action of the app) or `resource` is set, unless `error` says why not.

    `namespace` is None when none was named, "" for all of them, `a,b` or `team-*` for several. With `context` alone
    only the cluster changes; several of them, `@all` or patterns make one table of their objects.
    """

    word: str = ""
    argument: str = ""
    resource: Resource | None = None
    namespace: str | None = None
    filter: str = ""
    label_selector: str = ""
    context: str = ""
    contexts: tuple[str, ...] = ()
    error: str = ""


def parse_command(text: str, aliases: Aliases) -> Command:
    first, _, path = text.strip().partition(" ")
    if APP_WORDS.get(first.lower()) == "dir":
        # A path may hold anything, slashes and signs too.
        return Command(word="dir", argument=path.strip())
    head, slash, wanted = text.strip().partition(" /")
    words = [word for word in head.split() if not word.startswith("@")]
    contexts = contexts_in(head)
    context = contexts[0] if len(contexts) == 1 and not is_pattern(contexts[0]) else ""
    several = contexts if not context else ()
    if contexts and not words:
        return Command(context=context, contexts=several, filter=wanted.strip() if slash else "")
    if not words:
        return Command(error="nothing was typed")
    first = words[0].lower()
    if len(words) == 1 and first in APP_WORDS:
        return Command(word=APP_WORDS[first], context=context)
    if APP_WORDS.get(first, "") in WITH_WORDS:
        return Command(word=APP_WORDS[first], argument=" ".join(words[1:]), context=context)
    if APP_WORDS.get(first) == "contexts":
        return Command(context=words[1])
    resource = aliases.resolve(first)
    if resource is None:
        near = aliases.complete(first[:2])[:3]
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        return Command(error=f'the server has no kind named "{words[0]}"{hint}')
    rest, labels = _labels(words[1:])
    namespace = None
    for word in rest:
        namespace = "" if word.lower() in ALL_NAMESPACES else word.strip(",")
    return Command(
        resource=resource,
        namespace=namespace,
        filter=wanted.strip() if slash else "",
        label_selector=labels,
        context=context,
        contexts=several,
    )


def contexts_in(text: str) -> tuple[str, ...]:
    """Those that are named with an `@`: `@a,@b`, `@a @b`, `@a,b`."""
    words = [word for word in text.split() if word.startswith("@")]
    names = [part.lstrip("@") for word in words for part in word.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def is_pattern(context: str) -> bool:
    return context == EVERY_CONTEXT or any(sign in context for sign in "*?[")


def contexts_of(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    """The contexts that are meant, in the order they were named; a name that is not known stays, to be told of."""
    chosen: list[str] = []
    for word in wanted:
        pattern = "*" if word == EVERY_CONTEXT else word
        fitting = [name for name in known if fnmatchcase(name, pattern)] if is_pattern(word) else [word]
        chosen += [name for name in fitting if name not in chosen]
    return chosen


def namespaces_of(scope: str, known: Sequence[str]) -> list[str]:
    """The namespaces that a scope means: `shop`, `shop,web`, `team-*`. A pattern that fits none stays as it is."""
    chosen: list[str] = []
    for word in scope.split(","):
        fitting = [name for name in known if fnmatchcase(name, word)] if any(sign in word for sign in "*?[") else [word]
        chosen += [name for name in (fitting or [word]) if name and name not in chosen]
    return chosen


def _labels(words: Sequence[str]) -> tuple[list[str], str]:
    """Splits off labels, written `-l a=b` or just `a=b`."""
    plain = [word for word in words if "=" not in word and word != "-l"]
    return plain, ",".join(word for word in words if "=" in word)


def complete_command(
    text: str, aliases: Aliases, namespaces: Sequence[str], contexts: Callable[[], Sequence[str]] = tuple
) -> list[str]:
    """Whole lines that `text` may become, the best first: kinds and words, namespaces after a kind, contexts after `@`.

    Words that begin as typed come before those that only contain it, or have its letters in that order.
    """
    head, space, last = text.rpartition(" ")
    if not text:
        return []
    if last.startswith("@"):
        return [f"{head}{space}@{name}" for name in best(last[1:], contexts()) if name != last[1:]]
    if APP_WORDS.get(head.lower()) == "contexts":
        return [f"{head} {name}" for name in best(last, contexts()) if name != last]
    if not space:
        begin = [*aliases.complete(text), *sorted(w for w in APP_WORDS if len(w) > 2 and w.startswith(text.lower()))]
        # Qualified names are long for what they add: they are found by their beginning only.
        others = best(text, (word for word in (*aliases.names(), *APP_WORDS) if len(word) > 2 and "." not in word))
        return list(dict.fromkeys([*begin, *others]))
    if last.startswith("/") or not _takes_namespace(head, aliases):
        return []
    before, comma, part = last.rpartition(",")
    return [f"{head} {before}{comma}{name}" for name in best(part, sorted(namespaces)) if name != part]


def _takes_namespace(head: str, aliases: Aliases) -> bool:
    words = head.split()
    if not words:
        return False
    return aliases.resolve(words[0]) is not None or APP_WORDS.get(words[0].lower(), "") in ("helm", "workloads")
