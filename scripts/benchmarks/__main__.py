"""Run the benchmarks that are named: `python -m scripts.benchmarks api tui boot [--dry-run]`."""

import argparse
import asyncio
import importlib

from scripts.benchmarks import report

NAMES = ("api", "tui", "boot", "services", "scheduler", "hollow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--dry-run", action="store_true", help="print the figures only")
    arguments = parser.parse_args()
    for name in arguments.names:
        figures = asyncio.run(importlib.import_module(f"scripts.benchmarks.{name}").measure())
        print(report.section(name, figures), flush=True)
        if not arguments.dry_run:
            report.put(name, figures)


if __name__ == "__main__":
    main()
