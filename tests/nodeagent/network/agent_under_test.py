"""Runs `run_network` inside the namespace it is started in, with an API server that is not there."""

import asyncio
import sys

import msgspec

from apimachinery.aio.clock import SystemClock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from apimachinery.client.http import HttpTransport
from nodeagent.network.machine import NetworkStatus
from nodeagent.network.run import run_network
from tests.nodeagent.network.objects import Config


async def main(config: Config, node_name: str) -> None:
    status = NetworkStatus()
    async with TaskScope("test") as scope:
        client = Client(HttpTransport(config.api_server))
        scope.spawn("network", run_network(client, config, node_name, SystemClock(), status=status))
        await status.ready.wait()
        sys.stdout.write("ready\n")
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[2], type=Config), sys.argv[1]))
