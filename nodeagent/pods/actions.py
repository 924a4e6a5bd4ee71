"""Carrying out operations on one pod: each method does one step, whole, and says how it failed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import structlog

from nodeagent.cri.errors import NotFound, RuntimeFailure
from nodeagent.cri.types import Mount, RegistryAuth, SandboxSpec
from nodeagent.pods import build, hosts, resources
from nodeagent.pods.claims import Unready
from nodeagent.pods.env import env_references, environment, expand
from nodeagent.pods.handlers import Target
from nodeagent.pods.images import ImageUnavailable, credentials
from nodeagent.pods.machine import Machine
from nodeagent.pods.operations import Kill, Start
from nodeagent.pods.storage import PodStorage, Provided, is_recursive
from nodeagent.pods.view import Container, Pod, VolumeMount
from nodeagent.volumes import trees
from nodeagent.volumes.fields import FieldError, PodFacts
from nodeagent.volumes.objects import SECRET, Contents, MissingReference, Reference
from nodeagent.volumes.payload import references as volume_references
from nodeagent.volumes.payload import token_sources
from nodeagent.volumes.podvolumes import MountFailed

log = structlog.get_logger(__name__)
MINIMUM_GRACE = 2.0
"""Seconds a container gets at least between its stop signal and the kill, as upstream."""


class StepFailed(Exception):
    """A step did not succeed and will be tried again; `reason` is for the container's status."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Actions:
    """The steps for one pod. The pod's spec may change between calls; its identity may not."""

    def __init__(self, machine: Machine, pod: Pod) -> None:
        self._machine = machine
        self._folder = machine.pod_folder(pod.uid)
        self._storage = PodStorage(self._folder, pod, machine.claims, machine.keeper, machine.drivers)

    def log_directory(self, pod: Pod) -> str:
        return build.log_directory(self._machine.config.log_dir, pod)

    def termination_file(self, name: str, attempt: int) -> Path:
        """Where a container leaves its last words."""
        return self._folder / "containers" / name / str(attempt)

    async def prepare(self, pod: Pod) -> None:
        """Folders, cgroup, volumes. Raises StepFailed."""
        _make_folders(self._folder, Path(self.log_directory(pod)))
        self._machine.cgroups.create(pod.uid, resources.pod_resources(pod))
        try:
            contents = await self._volume_contents(pod, max_age=5.0)
            await self._storage.set_up(pod, self._facts(pod, ()), contents, self._stamp())
        except (MountFailed, MissingReference, Unready) as error:
            self._machine.recorder.pod(pod, "Warning", "FailedMount", str(error))
            raise StepFailed("FailedMount", str(error)) from error

    async def refresh(self, pod: Pod, ips: tuple[str, ...]) -> None:
        """Bring changed objects into standing volumes; what is missing now leaves them as they are."""
        try:
            contents = await self._volume_contents(pod, max_age=30.0)
            self._storage.refresh(pod, self._facts(pod, ips), contents, self._stamp())
        except (MountFailed, MissingReference) as error:
            log.info("volumes not refreshed", pod=pod.full_name, error=str(error))

    @property
    def volumes(self) -> Mapping[str, Provided]:
        return self._storage.provided

    async def overfull(self, pod: Pod) -> str:
        """What to evict the pod for, in words: a volume that holds more than it may. Empty: nothing."""
        return await self._storage.overfull(pod)

    async def grow(self, pod: Pod) -> None:
        await self._storage.grow(pod)

    async def run_sandbox(self, pod: Pod, attempt: int) -> None:
        """Raises StepFailed."""
        try:
            sandbox_id = await self._machine.runtime.run_sandbox(self._sandbox_spec(pod, attempt))
            sandbox = await self._machine.runtime.sandbox(sandbox_id)
        except RuntimeFailure as error:
            text = f"Failed to create pod sandbox: {error}"
            self._machine.recorder.pod(pod, "Warning", "FailedCreatePodSandBox", text)
            raise StepFailed("FailedCreatePodSandBox", text) from error
        if sandbox.ips and not pod.spec.host_network:
            await self._machine.isolate(pod, sandbox.ips[0])
        self.write_hosts(pod, sandbox.ips)

    def write_hosts(self, pod: Pod, ips: tuple[str, ...]) -> None:
        machine_hosts = _read(Path("/etc/hosts")) if pod.spec.host_network else ""
        text = hosts.hosts_file(pod, ips, self._machine.config.cluster_domain, machine_hosts)
        file = self._folder / "etc-hosts"
        if _read(file) != text:
            file.write_text(text)
            file.chmod(0o644)

    async def start(
        self, pod: Pod, step: Start, sandbox: tuple[str, int, tuple[str, ...]], hooking: Callable[[str, bool], None]
    ) -> None:
        """Image, environment, container, postStart. `sandbox` is its (id, attempt, addresses). Raises StepFailed."""
        sandbox_id, sandbox_attempt, ips = sandbox
        container = pod.container(step.container)
        if container is None:
            return

        def tell(type_: str, reason: str, message: str) -> None:
            self._machine.recorder.pod(pod, type_, reason, message, container.name)

        if step.leftover:
            await self._machine.runtime.remove_container(step.leftover)
        spec = await self._container_spec(pod, container, step, ips, tell)
        sandbox_spec = self._sandbox_spec(pod, sandbox_attempt)
        try:
            container_id = await self._machine.runtime.create_container(sandbox_id, spec, sandbox_spec)
        except RuntimeFailure as error:
            tell("Warning", "Failed", f"Error: {error.message}")
            raise StepFailed("CreateContainerError", error.message) from error
        tell("Normal", "Created", "Container created")
        hooking(container_id, container.lifecycle.post_start is not None)
        try:
            await self._machine.runtime.start_container(container_id)
        except RuntimeFailure as error:
            tell("Warning", "Failed", f"Error: {error.message}")
            raise StepFailed("RunContainerError", error.message) from error
        tell("Normal", "Started", "Container started")
        try:
            await self._post_start(pod, container, container_id, ips, tell)
        finally:
            hooking(container_id, False)

    async def kill(self, pod: Pod, step: Kill, ips: tuple[str, ...]) -> None:
        """Raises RuntimeFailure."""
        started = self._machine.clock.monotonic()
        container = pod.container(step.container)
        if pod.deleting and ips and step.grace > 0:
            await self._machine.withdrawn(ips[0], step.grace)
        if step.message:
            self._machine.recorder.pod(pod, "Normal", "Killing", step.message, step.container)
        hook = container.lifecycle.pre_stop if container is not None else None
        if container is not None and hook is not None and step.run_hook and step.grace > 0:
            target = Target(container=container, container_id=step.container_id, pod_ip=ips[0] if ips else "")
            outcome = await self._machine.handlers.run(hook, target, step.grace)
            if not outcome.succeeded:
                self._machine.recorder.pod(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", step.container)
        spent = self._machine.clock.monotonic() - started
        try:
            await self._machine.runtime.stop_container(step.container_id, max(MINIMUM_GRACE, step.grace - spent))
        except NotFound:
            log.debug("container to stop is gone", pod=pod.full_name, container=step.container)

    async def teardown(self, pod: Pod) -> None:
        """Volumes and cgroup; the pod's log stays. Raises OSError."""
        await self._storage.tear_down(pod.uid)
        self._machine.cgroups.remove(pod.uid)

    async def erase(self, pod: Pod) -> None:
        """Every trace of the pod on disk. Raises OSError."""
        await asyncio.to_thread(trees.remove, self._folder)
        await asyncio.to_thread(shutil.rmtree, self.log_directory(pod), ignore_errors=True)

    async def _container_spec(
        self, pod: Pod, container: Container, step: Start, ips: tuple[str, ...], tell: Callable[[str, str, str], None]
    ) -> build.ContainerSpec:
        try:
            image = await self._machine.images.ensure(container, await self._logins(pod, container), tell)
        except ImageUnavailable as error:
            raise StepFailed(error.reason, error.message) from error
        facts = self._facts(pod, ips)
        try:
            contents = await self._contents(pod, env_references([container]), max_age=10.0)
            env = environment(container, facts, contents, self._machine.services(pod))
            surroundings = build.Surroundings(
                env=env,
                mounts=await self._mounts(pod, container, step.attempt, env),
                devices=self._devices(container),
                resources=resources.container_resources(pod, container, self._machine.memory_capacity),
                image=image,
                log_path=f"{container.name}/{step.attempt}.log",
            )
            return build.container_spec(pod, container, step, surroundings)
        except (MissingReference, FieldError, build.ConfigRefused, MountFailed, OSError) as error:
            tell("Warning", "Failed", f"Error: {error}")
            raise StepFailed("CreateContainerConfigError", str(error)) from error

    async def _post_start(
        self,
        pod: Pod,
        container: Container,
        container_id: str,
        ips: tuple[str, ...],
        tell: Callable[[str, str, str], None],
    ) -> None:
        hook = container.lifecycle.post_start
        if hook is None:
            return
        target = Target(container=container, container_id=container_id, pod_ip=ips[0] if ips else "")
        outcome = await self._machine.handlers.run(hook, target, 3600.0)
        if outcome.succeeded:
            return
        tell("Warning", "FailedPostStartHook", "PostStartHook failed")
        message = f"Container {container.name} failed to start: FailedPostStartHook"
        await self.kill(pod, Kill(container.name, container_id, pod.grace, message), ips)
        raise StepFailed("PostStartHookError", outcome.output or "PostStartHook failed")

    async def _mounts(self, pod: Pod, container: Container, attempt: int, env: Mapping[str, str]) -> list[Mount]:
        asked = any(mount.recursive_read_only for mount in container.volume_mounts)
        supported = asked and (await self._machine.runtime.info()).recursive_read_only
        mounts = [
            self._mount(container, index, mount, env, recursive=is_recursive(mount, supported=supported))
            for index, mount in enumerate(container.volume_mounts)
        ]
        if all(mount.mount_path.rstrip("/") != "/etc/hosts" for mount in container.volume_mounts):
            if not (self._folder / "etc-hosts").exists():
                self.write_hosts(pod, ())
            mounts.append(Mount(container_path="/etc/hosts", host_path=str(self._folder / "etc-hosts")))
        if container.termination_message_path:
            file = self.termination_file(container.name, attempt)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            file.chmod(0o666)
            mounts.append(Mount(container_path=container.termination_message_path, host_path=str(file)))
        return mounts

    def _mount(
        self, container: Container, index: int, mount: VolumeMount, env: Mapping[str, str], *, recursive: bool
    ) -> Mount:
        volume = self._storage.provided.get(mount.name)
        if volume is None:
            raise MountFailed(f'volume "{mount.name}" is not mounted')
        inside = expand(mount.sub_path_expr, (env,)) if mount.sub_path_expr else mount.sub_path
        source = self._storage.part(container, index, mount, inside) if inside else volume.path
        return Mount(
            container_path=mount.mount_path if mount.mount_path.startswith("/") else f"/{mount.mount_path}",
            host_path=str(source),
            readonly=mount.read_only or volume.read_only,
            recursive=recursive,
            propagation=mount.mount_propagation,
        )

    def _devices(self, container: Container) -> list[tuple[str, str, str]]:
        """(on the machine, in the container, rights) of the container's block devices. Raises MountFailed."""
        devices: list[tuple[str, str, str]] = []
        for device in container.volume_devices:
            volume = self._storage.provided.get(device.name)
            if volume is None or not volume.device:
                raise MountFailed(f'volume "{device.name}" is no block device')
            devices.append((str(volume.path), device.device_path, "r" if volume.read_only else "mrw"))
        return devices

    def _sandbox_spec(self, pod: Pod, attempt: int) -> SandboxSpec:
        config = self._machine.config
        return build.sandbox_spec(
            pod,
            attempt,
            host_name=hosts.host_name(pod, config.cluster_domain),
            dns=hosts.pod_dns(pod, config, self._machine.dns()),
            log_dir=self.log_directory(pod),
            cgroup=self._machine.cgroups.parent(pod.uid),
        )

    async def _logins(self, pod: Pod, container: Container) -> list[RegistryAuth]:
        names = {(SECRET, secret.name) for secret in pod.spec.image_pull_secrets}
        if not names:
            return []
        contents = await self._contents(pod, names, max_age=60.0)
        found = [contents.get(SECRET, name, optional=True) for _, name in sorted(names)]
        return credentials(container.image, found)

    async def _contents(self, pod: Pod, wanted: set[Reference], *, max_age: float) -> Contents:
        return await self._machine.references.contents(pod.metadata.namespace, wanted, max_age=max_age)

    async def _volume_contents(self, pod: Pod, *, max_age: float) -> Contents:
        contents = await self._contents(pod, volume_references(pod.spec.volumes), max_age=max_age)
        return contents.joined(await self._machine.tokens.contents(pod, token_sources(pod.spec.volumes)))

    def _facts(self, pod: Pod, ips: tuple[str, ...]) -> PodFacts:
        amounts = {
            c.name: {f"limits.{k}": v for k, v in c.resources.limits.items()}
            | {f"requests.{k}": v for k, v in c.resources.requests.items()}
            for c in pod.all_containers()
        }
        return PodFacts(
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            uid=pod.uid,
            labels=pod.metadata.labels,
            annotations=pod.metadata.annotations,
            node_name=self._machine.config.node_name,
            service_account_name=pod.spec.service_account_name,
            fs_group=pod.spec.security_context.fs_group,
            pod_ips=self._machine.host_ips if pod.spec.host_network else ips,
            host_ips=self._machine.host_ips,
            resources=amounts,
            allocatable=self._machine.allocatable,
        )

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self._machine.now(), UTC).strftime("%Y_%m_%d_%H_%M_%S")


def _make_folders(pod: Path, logs: Path) -> None:
    pod.mkdir(mode=0o750, parents=True, exist_ok=True)
    logs.mkdir(mode=0o755, parents=True, exist_ok=True)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""
