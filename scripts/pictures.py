"""Takes the pictures of docs/images from a running cluster that has the demo app: `python -m scripts.pictures [KUBECONFIG]`.

Needs rsvg-convert. The rollout's picture is taken while the web tier goes to another image and back.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from apimachinery.client import kubeconfig
from apimachinery.objects.resources import DEPLOYMENTS
from pilothouse import datadir
from tui.app import PilothouseApp
from tui.screens.rollout import RolloutScreen

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE = (110, 30)


async def main(access: kubeconfig.ClusterAccess) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    app = PilothouseApp(access)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(2)
        take(app, "pods")
        await pilot.press("colon", *"deploy /web", "enter")
        await pilot.pause(1)
        await pilot.press("l")
        await pilot.pause(4)
        take(app, "logs")
        await pilot.press("escape", "d")
        await pilot.pause(1)
        take(app, "describe")
        await pilot.press("escape", "R")
        await pilot.pause(1)
        await rollout(pilot, app)


async def rollout(pilot: Pilot[Any], app: PilothouseApp) -> None:
    client = app.session.client
    container = (await client.get(DEPLOYMENTS, "web", "default"))["spec"]["template"]["spec"]["containers"][0]
    before = container["image"]
    after = before.replace("1.27", "1.28") if "1.27" in before else before.replace("1.28", "1.27")
    for image, pictured in ((after, True), (before, False)):
        template = {"spec": {"containers": [{"name": container["name"], "image": image}]}}
        await client.patch(DEPLOYMENTS, "web", {"spec": {"template": template}}, "default", kind="strategic")
        if pictured:
            await pilot.press("g")
            await halfway(pilot, app)
            take(app, "rollout")
            await pilot.pause(8)


async def halfway(pilot: Pilot[Any], app: PilothouseApp) -> None:
    """Until new and old pods run side by side."""
    screen = app.screen
    assert isinstance(screen, RolloutScreen)
    for _ in range(200):
        await pilot.pause(0.02)
        text = screen.top.text
        if "old revision" in text and "□" in text and "■" in text.split("old revision")[0]:
            return


def take(app: PilothouseApp, name: str) -> None:
    svg = app.export_screenshot(title="pilothouse")
    # rsvg drops the leading spaces of a text unless it is told to keep them.
    svg = re.sub(r"<text ", '<text xml:space="preserve" ', svg.replace("&#160;", " "))
    with tempfile.NamedTemporaryFile("w", suffix=".svg", encoding="utf-8") as file:
        file.write(svg)
        file.flush()
        subprocess.run(["rsvg-convert", "--zoom", "0.8", file.name, "-o", str(IMAGES / f"{name}.png")], check=True)
    print(IMAGES / f"{name}.png")


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else datadir.kubeconfig(datadir.default())
    asyncio.run(main(kubeconfig.load(source)))
