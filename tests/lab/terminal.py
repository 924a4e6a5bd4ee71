"""A person at a terminal: tmux holds the screen, keys go in, what stands on the screen comes out."""

import subprocess
import sys
import uuid
from pathlib import Path

from tests.lab.cluster import REPOSITORY, eventually


class Terminal:
    """The terminal app in a tmux server of its own, `width` by `height` cells."""

    def __init__(self, data_dir: Path, width: int, height: int) -> None:
        self._socket = f"pilothouse-{uuid.uuid4().hex[:8]}"
        self.width, self.height = width, height
        command = f"cd {REPOSITORY}; exec {sys.executable} -m pilothouse --data-dir {data_dir}"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), command)
        # An app that ended leaves its traceback on the screen.
        self._tmux("set-option", "-g", "remain-on-exit", "on")

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p").rstrip()

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: Enter, Escape, C-d, or characters."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def shows(self, *texts: str, within: float = 20) -> str:
        """Wait until all of `texts` stand on the screen; gives the screen."""

        def look() -> str:
            screen = self.screen()
            missing = [text for text in texts if text not in screen]
            assert not missing, f"not on the screen: {missing}\n{screen}"
            return screen

        return eventually(look, within=within)

    def goto(self, words: str) -> None:
        """Open a kind by the command bar."""
        self.press(":")
        self.type(words)
        self.press("Enter")

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], capture_output=True, timeout=10, check=False)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *words], capture_output=True, text=True, timeout=10, check=False
        )
        assert done.returncode == 0, f"tmux {words[0]}: {done.stderr}"
        return done.stdout
