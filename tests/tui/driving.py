"""Driving the app in tests: waiting until it is quiet, reading its screen."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from textual.pilot import Pilot

Start = Callable[..., AbstractAsyncContextManager[Pilot[Any]]]


async def settled(pilot: Pilot[Any]) -> None:
    """Until feeds have delivered and the screen has painted."""
    for _ in range(4):
        await pilot.pause(0.06)


def said(pilot: Pilot[Any]) -> str:
    """The screen's words in one line, as a notice that is wrapped is read."""
    return " ".join(screen_text(pilot).replace("▌", " ").split())


def screen_text(pilot: Pilot[Any]) -> str:
    """What a person would read, line by line."""
    width, height = pilot.app.size
    lines = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines[:height])[
        : width * height * 4
    ]
