"""A real Chromium without a window, steered over the DevTools protocol: pages, keys, what stands in their terminals."""

import asyncio
import base64
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")
PATIENCE = 60.0

FIND_TERMINAL = """
(() => {
  const push = Array.prototype.push;
  Array.prototype.push = function (...given) {
    for (const one of given) {
      if (one && one.instance && typeof one.instance.activate === "function") window.__addon = one.instance;
    }
    return push.apply(this, given);
  };
})();
"""
"""xterm.js keeps itself to itself; its list of add-ons is where it can be met."""

SCREEN = """
(() => {
  const terminal = window.__addon && window.__addon._terminal;
  if (!terminal) return "";
  const lines = [], buffer = terminal.buffer.active;
  for (let row = 0; row < terminal.rows; row++) {
    const line = buffer.getLine(buffer.viewportY + row);
    lines.push(line ? line.translateToString(true) : "");
  }
  return lines.join("\\n");
})()
"""

KEYS = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "ArrowDown": ("ArrowDown", 40, "")}


def find_browser() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.problems: list[str] = []
        """What its console complained of."""
        self.asked: list[str] = []
        """Every address that it asked for anything."""
        self._reader = asyncio.get_running_loop().create_task(self._read(), name="devtools")

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                break
            told = msgspec.json.decode(message.data)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            elif told["method"] == "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])
            elif told["method"] == "Network.webSocketCreated":
                self.asked.append(told["params"]["url"])
            elif told["method"] == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
                self.problems.append(told["params"]["entry"]["text"])
            elif told["method"] == "Runtime.exceptionThrown":
                self.problems.append(str(told["params"]["exceptionDetails"]))

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        told = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in told, told
        return told["result"]

    async def prepare(self) -> None:
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=FIND_TERMINAL)

    async def go(self, address: str) -> None:
        await self.call("Page.navigate", url=address)

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def screen(self) -> str:
        """What stands in the page's terminal."""
        return await self.evaluate(SCREEN)

    async def shows(self, *texts: str) -> str:
        """Wait until the terminal says all of these; fails with what it says otherwise."""
        said = ""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            said = await self.screen()
            if all(text in said for text in texts):
                return said
            await asyncio.sleep(0.1)
        raise AssertionError(f"{texts} not in the terminal:\n{said}\n{self.problems}")

    async def press(self, *keys: str) -> None:
        """Characters, or names of keys."""
        for key in keys:
            name, code, text = KEYS.get(key, (key, ord(key.upper()[0]), key))
            event = {"key": name, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
            await self.call("Input.dispatchKeyEvent", type="keyDown", **event)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    async def picture(self, file: Path) -> None:
        answer = await self.call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(answer["data"]))  # noqa: ASYNC240 - a test's own file

    async def close(self) -> None:
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._socket.close()


@asynccontextmanager
async def opened_page(profile: Path, *, width: int = 1000, height: int = 600) -> AsyncIterator[Page]:
    """A browser of its own with one empty page; ended with all its processes on leave."""
    program = find_browser()
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0",
        "--no-first-run", "--disable-background-networking", f"--window-size={width},{height}",
        f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, start_new_session=True,
        env={**os.environ, "HOME": str(profile)},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        port = 0
        async with asyncio.timeout(PATIENCE):
            while not port:
                line = (await process.stderr.readline()).decode(errors="replace")
                assert line, "the browser did not start"
                if found := re.search(r"DevTools listening on ws://[^:]+:(\d+)/", line):
                    port = int(found[1])
        reading = asyncio.get_running_loop().create_task(_drain(process.stderr), name="browser stderr")
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                told = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(told["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                await page.prepare()
                try:
                    yield page
                finally:
                    await page.close()
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass
