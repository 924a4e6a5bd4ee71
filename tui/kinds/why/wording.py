"""Rules that recognise a wording: in what a container waits for, in an event, in the last lines of its log. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tui.kinds.why.case import Advice, Case, Finding, Rule, finding, only

Texts = Callable[[Case], Iterator[tuple[str, str]]]
"""(container, text) to look at; container is empty where none is meant."""


@dataclass(frozen=True, slots=True)
class Wording:
    """`pattern` is searched in each text; its named groups are words of the verdict and the advice."""

    name: str
    pattern: str
    verdict: str
    advice: Advice


def rules(wordings: tuple[Wording, ...], texts: Texts, *kinds: str, first: bool = True) -> tuple[Rule, ...]:
    """One rule per wording. With `first`, a text that an earlier one recognised is not looked at by later ones."""
    compiled = [re.compile(one.pattern, re.IGNORECASE | re.DOTALL) for one in wordings]

    def check_of(number: int) -> Callable[[Case], Iterator[Finding]]:
        def check(case: Case) -> Iterator[Finding]:
            seen: set[str] = set()
            for container, text in texts(case):
                match = compiled[number].search(text)
                if match is None or container in seen:
                    continue
                if first and any(earlier.search(text) for earlier in compiled[:number]):
                    continue
                seen.add(container)
                words = {key: value or "" for key, value in match.groupdict().items()}
                one = wordings[number]
                yield finding(case, one.name, one.verdict, one.advice, text, container=container, **words)

        return check

    return tuple(Rule(name=one.name, kinds=only(*kinds), check=check_of(number)) for number, one in enumerate(wordings))


def waiting(*reasons: str) -> Texts:
    """What containers wait for, with its message; and events that tell the same while the message is short."""

    def texts(case: Case) -> Iterator[tuple[str, str]]:
        for _, status in case.containers():
            state = (status.get("state") or {}).get("waiting") or {}
            if state.get("reason") in reasons:
                yield status["name"], f"{state['reason']}: {state.get('message', '')}"

    return texts


def warned(*reasons: str) -> Texts:
    """Messages of warnings with these reasons, newest first."""

    def texts(case: Case) -> Iterator[tuple[str, str]]:
        for event in reversed(case.events):
            if event.get("type") == "Warning" and event.get("reason") in reasons:
                yield "", event.get("message", "")

    return texts


def both(*sources: Texts) -> Texts:
    def texts(case: Case) -> Iterator[tuple[str, str]]:
        for source in sources:
            yield from source(case)

    return texts


def last_lines(case: Case) -> Iterator[tuple[str, str]]:
    """Lines of the containers' logs, newest first."""
    for container, lines in case.logs.items():
        for line in reversed(lines):
            yield container, line
