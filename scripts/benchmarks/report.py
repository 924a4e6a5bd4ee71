"""What a benchmark gives, and how it stands in BENCHMARKS.md."""

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "BENCHMARKS.md"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; `goal` is the budget it is held against, empty where there is none."""

    what: str
    value: str
    goal: str = ""


def machine() -> str:
    """One line on the machine that the figures come from."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    gigabytes = int(memory.split()[1]) / 1024 / 1024
    return (
        f"{os.cpu_count()} cores ({cpu}), {gigabytes:.0f} GB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def commit() -> str:
    answer = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def section(name: str, figures: list[Figure]) -> str:
    lines = [
        f"## {name}: {date.today():%Y-%m-%d}, commit {commit()}",  # noqa: DTZ011 - the reader's day
        "",
        f"`scripts/bench {name}` on {machine()}.",
        "",
        "| what | measured | goal |",
        "|---|---|---|",
        *(f"| {f.what} | {f.value} | {f.goal} |" for f in figures),
        "",
    ]
    return "\n".join(lines)


def put(name: str, figures: list[Figure]) -> None:
    """Write the section, in place of the one that the last run of this benchmark left."""
    text = BENCHMARKS.read_text(encoding="utf-8") if BENCHMARKS.exists() else "# Benchmarks\n"
    head, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = [old for old in sections if not old.startswith(f"## {name}:")]
    parts = [head, *kept, section(name, figures)]
    BENCHMARKS.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
