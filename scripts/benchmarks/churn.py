"""Changes pods at a steady rate: `python -m scripts.benchmarks.churn KUBECONFIG PODS PER_SECOND`, until ended."""

import asyncio
import random
import sys

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.objects.resources import PODS

WORKERS = 8
PHASES = ("Pending", "Running", "Running", "Running", "Failed")


async def main(path: str, pods: int, per_second: int) -> None:
    client = Client(kubeconfig.load(path).transport())
    loop = asyncio.get_running_loop()
    turns = iter(range(1 << 62))
    started = loop.time()

    async def worker() -> None:
        for turn in turns:
            await asyncio.sleep(max(0.0, started + turn / per_second - loop.time()))
            name = f"pod-{random.randrange(pods):05}"
            status = {"status": {"phase": random.choice(PHASES), "podIP": f"10.42.0.{turn % 250}"}}
            await client.patch(PODS, name, status, "default", subresource="status")

    try:
        await asyncio.gather(*(worker() for _ in range(WORKERS)))
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
