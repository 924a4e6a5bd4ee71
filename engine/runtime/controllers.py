"""The controllers of one engine, run together over shared caches."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog

from apimachinery.aio.clock import Clock
from apimachinery.aio.tasks import TaskScope
from apimachinery.client.client import Client
from engine.controllers.accounttokens import AccountTokensController, Sign
from engine.controllers.autoscaling.controller import AutoscalingController
from engine.controllers.autoscaling.views import Metrics
from engine.controllers.certificates import CertificatesController, Signer
from engine.controllers.clusterroleaggregation import ClusterRoleAggregationController
from engine.controllers.controller import Controller
from engine.controllers.cronjob.controller import CronJobController
from engine.controllers.daemonset.controller import DaemonSetController
from engine.controllers.deployment.controller import DeploymentController
from engine.controllers.disruption.controller import DisruptionController
from engine.controllers.endpoints import EndpointsController
from engine.controllers.endpointslice import EndpointSliceController
from engine.controllers.endpointslicemirroring import EndpointSliceMirroringController
from engine.controllers.garbagecollector import GarbageCollector
from engine.controllers.ipaddress import IPAddressController
from engine.controllers.job.controller import JobController
from engine.controllers.loadbalancer import LoadBalancerController
from engine.controllers.namespace import NamespaceController
from engine.controllers.nodeipam import NodeIpamController
from engine.controllers.nodelifecycle import NodeLifecycleController
from engine.controllers.nodettl import NodeTtlController
from engine.controllers.podgc import PodGcController
from engine.controllers.replicaset import ReplicaSetController
from engine.controllers.replicationcontroller import ReplicationControllerController
from engine.controllers.resourcequota.controller import ResourceQuotaController
from engine.controllers.serviceaccount import ServiceAccountController
from engine.controllers.servicecidr import ServiceCIDRController
from engine.controllers.statefulset.controller import StatefulSetController
from engine.controllers.storage.attaching import AttachDetach
from engine.controllers.storage.claimbinding import ClaimBinder
from engine.controllers.storage.ephemeral import EphemeralVolumes
from engine.controllers.storage.expansion import Expansion
from engine.controllers.storage.localpath import LocalPathProvisioner, LocalPathReclaimer
from engine.controllers.storage.localresizing import LocalPathResizer
from engine.controllers.storage.protection import ClaimProtection, VolumeProtection
from engine.controllers.storage.volumebinding import VolumeBinder
from engine.controllers.tainteviction import TaintEvictionController
from engine.runtime.applying import Applier
from engine.runtime.caches import Caches
from engine.runtime.events import Recorder
from engine.runtime.garbage import GarbageRun, discover_on_change, keep_discovering
from engine.runtime.metrics import ApiMetrics
from engine.runtime.runner import Runner

log = structlog.get_logger(__name__)


class ControllersConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Seconds, unless said otherwise. The defaults are upstream's."""

    cluster_cidr: str = "10.42.0.0/16"
    root_ca: str = ""
    """PEM of the CA that pods are to trust; empty publishes none."""
    node_grace: float = 40.0
    """Silence after which a machine counts as unreachable."""
    orphan_quarantine: float = 40.0
    """How long pods wait for their machine to come back after its Node object went."""
    terminated_pods: int = 12500
    """Ended pods that are kept, in pods."""
    discovery_interval: float = 30.0
    network_grace: float = 10.0
    """How long a ServiceCIDR that nobody uses stays, so that every API server hears of its going."""
    load_balancer_pool: tuple[str, ...] = ()
    """Networks and ranges of addresses for Services of type LoadBalancer."""


DEFAULTS = ControllersConfig()

SETTLE = {
    "endpointslice": 0.02,
    "deployment": 0.005,
    "replicaset": 0.002,
    "job": 0.002,
    "resourcequota": 0.05,
    "endpoints": 0.02,
    "disruption": 0.01,
    "daemonset": 0.002,
}
"""Seconds by which a controller waits for more changes to the same key. Many pods of one set change together."""


async def run_controllers(
    client: Client,
    clock: Clock,
    config: ControllersConfig = DEFAULTS,
    signer: Signer | None = None,
    *,
    metrics: Metrics | None = None,
    sign_token: Sign | None = None,
) -> None:
    """Run all controllers until cancelled. The API may come and go meanwhile.

    Without `signer` none signs certificate requests, without `sign_token` none fills in Secrets with tokens.
    `metrics`: what the autoscaler asks; by default the API.
    """
    recorder = Recorder(client, clock)
    async with TaskScope("controllers") as scope:
        caches = Caches(client, scope)

        def runner(controller: Controller[Any]) -> Runner:
            applier = Applier(client, recorder, controller.component)
            return Runner(controller, caches, applier, clock, settle=SETTLE.get(controller.name, 0.0))

        # Runners first: they name the views in which kinds are kept; the collector takes any.
        served = controllers(config, metrics or ApiMetrics(client), signer, sign_token)
        runners = [runner(controller) for controller in served]
        collector = GarbageCollector()
        defined = asyncio.Event()
        garbage = GarbageRun(collector, runner(collector), caches, defined)
        scope.supervise("events", recorder.run)
        scope.supervise(
            "discovery", lambda: keep_discovering(client, caches, clock, config.discovery_interval)
        )  # fmt: skip
        scope.supervise("definitions", lambda: discover_on_change(client, caches, clock, defined))
        tasks = [scope.supervise(one.controller.name, one.run) for one in runners]
        await scope.supervise(collector.name, garbage.run)
        for task in tasks:
            await task


def controllers(
    config: ControllersConfig, metrics: Metrics, signer: Signer | None = None, sign_token: Sign | None = None
) -> Iterable[Controller[Any]]:
    """All controllers but the garbage collector, which follows kinds as it finds them."""
    signing: list[Controller[Any]] = [CertificatesController(signer)] if signer is not None else []
    if sign_token is not None:
        signing.append(AccountTokensController(config.root_ca, sign_token))
    return (
        *signing,
        ClusterRoleAggregationController(),
        NamespaceController(),
        ServiceAccountController(config.root_ca),
        DeploymentController(),
        ReplicaSetController(),
        ReplicationControllerController(),
        DaemonSetController(),
        StatefulSetController(),
        ClaimBinder(),
        VolumeBinder(),
        ClaimProtection(),
        VolumeProtection(),
        EphemeralVolumes(),
        Expansion(),
        AttachDetach(),
        LocalPathProvisioner(),
        LocalPathReclaimer(),
        LocalPathResizer(),
        JobController(),
        CronJobController(),
        EndpointSliceController(),
        EndpointsController(),
        EndpointSliceMirroringController(),
        LoadBalancerController(config.load_balancer_pool),
        IPAddressController(),
        ServiceCIDRController(config.network_grace),
        DisruptionController(),
        AutoscalingController(metrics),
        ResourceQuotaController(),
        NodeIpamController(config.cluster_cidr),
        NodeTtlController(),
        NodeLifecycleController(config.node_grace),
        TaintEvictionController(),
        PodGcController(quarantine=config.orphan_quarantine, threshold=config.terminated_pods),
    )
