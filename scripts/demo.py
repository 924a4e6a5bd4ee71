"""Puts the manifests of a folder on a cluster and waits until their Deployments are rolled out."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from apimachinery.client import kubeconfig
from apimachinery.client.client import Client
from apimachinery.client.discovery import discover
from apimachinery.objects.errors import NotFound
from apimachinery.objects.resources import DEPLOYMENTS, Resource

TIMEOUT = 180.0
POLL = 0.2


async def put(client: Client, resource: Resource, manifest: dict[str, Any], namespace: str) -> str:
    """Bring the object that is there to what the manifest says, or create it.

    In this order: creating a Service again is refused for its node port, not for its name.
    """
    name = manifest["metadata"]["name"]
    where = manifest["metadata"].get("namespace", namespace) if resource.namespaced else None
    try:
        await client.patch(resource, name, manifest, where)
    except NotFound:
        await client.create(resource, manifest, where)
        return f"{resource.qualified}/{name} created"
    return f"{resource.qualified}/{name} configured"


async def rolled_out(client: Client, name: str, namespace: str) -> None:
    """Wait until every replica of the newest revision is available. Raises TimeoutError naming the Deployment."""
    deadline = time.monotonic() + TIMEOUT
    last = None
    while True:
        deployment = await client.get(DEPLOYMENTS, name, namespace)
        wanted, status = deployment["spec"]["replicas"], deployment.get("status", {})
        available = status.get("availableReplicas", 0)
        if available != last:
            print(f"  {name}: {available} of {wanted} available", flush=True)
            last = available
        current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        if current and status.get("updatedReplicas", 0) == wanted == available == status.get("replicas"):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"deployment {name} is not rolled out after {TIMEOUT:.0f} s: {status}")
        await asyncio.sleep(POLL)


async def main(access: kubeconfig.ClusterAccess, folder: Path) -> None:
    client = Client(access.transport())
    try:
        kinds = {(r.api_version, r.kind): r for r in await discover(client)}
        manifests = [m for f in sorted(folder.glob("*.yaml")) for m in yaml.safe_load_all(f.read_text()) if m]
        for manifest in manifests:
            resource = kinds[manifest["apiVersion"], manifest["kind"]]
            print(await put(client, resource, manifest, access.namespace), flush=True)
        for manifest in manifests:
            if manifest["kind"] == "Deployment":
                namespace = manifest["metadata"].get("namespace", access.namespace)
                await rolled_out(client, manifest["metadata"]["name"], namespace)
    finally:
        await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    try:
        asyncio.run(main(kubeconfig.load(arguments.kubeconfig), arguments.folder))
    except (OSError, TimeoutError) as error:
        sys.exit(f"Error: {error}")
