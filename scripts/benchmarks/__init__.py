"""Named benchmarks, run by scripts/bench; figures go to BENCHMARKS.md with the command and the machine."""
