"""What a lab could leave behind on this computer, and how to look for it."""

import os
import time
from pathlib import Path

from lab.machines import Lab
from lab.names import lab_names


def leftovers(lab: Lab) -> set[str]:
    """Everything on this computer that bears the lab's mark: its folder, or the tag in its names."""
    names = lab_names(lab.state_dir)
    found = {str(path) for path in lab.state_dir.parent.iterdir()} if lab.state_dir.parent.exists() else set()
    found |= {f"interface {path.name}" for path in Path("/sys/class/net").iterdir() if names.tag in path.name}
    found |= {f"cgroup {folder}" for folder, _, _ in os.walk("/sys/fs/cgroup") if names.cgroup in folder}
    for process in Path("/proc").glob("[0-9]*"):
        for what in ("mountinfo", "cgroup", "cmdline"):
            try:
                text = (process / what).read_text(errors="replace")
            except OSError:  # it ended
                continue
            if process.name != str(os.getpid()) and (names.cgroup in text or str(lab.state_dir) in text):
                found.add(f"process {process.name}: {what}")
    return found


def assert_nothing_left(lab: Lab) -> None:
    """A moment of patience: this computer's init has to bury the dead."""
    deadline = time.monotonic() + 5
    while (left := leftovers(lab)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == set()
