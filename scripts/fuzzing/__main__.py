"""Throw garbage at an engine: `scripts/fuzz --requests 50000 --seed 1`; `--only N` asks case N of the seed again."""

import argparse
import asyncio
import sys

from scripts.fuzzing.running import run

_SHOWN = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, action="append", help="the number of a case; may be given again")
    parser.add_argument("--workers", type=int, default=8, help="requests under way at once")
    arguments = parser.parse_args()
    numbers = arguments.only or range(arguments.requests)
    report = asyncio.run(run(arguments.seed, numbers, workers=arguments.workers, progress=print))
    for finding in [found for found in report.findings if found.case is None or found.case.number < 0][:_SHOWN]:
        print(finding, end="\n\n")
    sent = sum(report.statuses.values())
    print(f"{sent} answers in {report.seconds:.0f} s, {len(report.findings)} findings, {report.objects} objects left")
    print("statuses:", ", ".join(f"{status or 'closed'} {count}" for status, count in sorted(report.statuses.items())))
    print("memory in MB:", ", ".join(f"{mb:.0f}" for mb in report.memory))
    print(f"slowest: {report.slowest[0]:.2f} s, case {report.slowest[1]}")
    sys.exit(1 if report.findings else 0)


if __name__ == "__main__":
    main()
