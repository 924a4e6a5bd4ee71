"""What the API server itself says its answers took, held against Kubernetes' published objectives.

The objectives are those of kubernetes/community, sig-scalability/slos: per resource and verb, 99 of 100 calls that
change something, or read one object, within a second; lists of a namespace within 5 s, of all within 30 s.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

NAME = "apiserver_request_duration_seconds_bucket"
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Series(NamedTuple):
    verb: str
    resource: str
    scope: str


Buckets = dict[Series, dict[float, float]]
"""How many answers came within so many seconds."""


def read(text: str) -> Buckets:
    """What Prometheus' text format says of the durations, subresources together with their resource."""
    found: defaultdict[Series, defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    for line in text.splitlines():
        if not line.startswith(NAME):
            continue
        labels = dict(_LABEL.findall(line))
        series = Series(labels.get("verb", ""), labels.get("resource", ""), labels.get("scope", ""))
        found[series][float(labels["le"])] += float(line.rpartition(" ")[2])
    return {series: dict(buckets) for series, buckets in found.items()}


def since(before: Buckets, after: Buckets) -> Buckets:
    """The answers of the time between."""
    return {
        series: {bound: count - before.get(series, {}).get(bound, 0.0) for bound, count in buckets.items()}
        for series, buckets in after.items()
    }


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """As Prometheus' histogram_quantile: evenly spread within a bucket; the last bound for what took longer."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return 0.0
    wanted, low, below = share * total, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - below) / (buckets[bound] - below)
        low, below = bound, buckets[bound]
    return low


def worst(buckets: Buckets, verbs: frozenset[str], scope: str = "") -> tuple[float, str]:
    """The slowest p99 among the resources, of those asked for at least a hundred times, and whose it is."""
    slowest = (0.0, "")
    for series, found in buckets.items():
        enough = max(found.values(), default=0.0) >= 100
        if enough and series.verb in verbs and scope in ("", series.scope):
            slowest = max(slowest, (quantile(found, 0.99), f"{series.verb} {series.resource}"))
    return slowest
