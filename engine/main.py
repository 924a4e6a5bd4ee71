"""Wires the engine together and runs it: store, API, controllers, scheduler, links; stops them in reverse."""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import importlib.util
import os
import secrets
import signal
import sys
import typing
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import msgspec
import structlog

from apimachinery.aio.clock import SystemClock
from apimachinery.aio.tasks import TaskScope
from engine.apiserver.admission.podsecurity.plugin import Exemptions, PodSecurity
from engine.apiserver.aggregation.serving import FrontProxy
from engine.apiserver.authn.oidc import OidcSettings
from engine.apiserver.bootstrap import ensure_objects, keep_objects
from engine.apiserver.components import STORE
from engine.apiserver.request import Response, json_response
from engine.apiserver.server import ApiServer, open_etcd, open_store, sealing_of, serve_api
from engine.config import EngineConfig, Running
from engine.heap import Sparing
from engine.pki import Pki, use_shared, write_private
from engine.store.errors import StoreError
from engine.store.etcdaccess import EtcdAccess
from engine.store.protocol import Store

if typing.TYPE_CHECKING:
    from engine.scheduler.configuration import SchedulerConfig

log = structlog.get_logger(__name__)

SNAPSHOT_PATH = "/pilothouse/snapshot"

# What `_start_parts` needs.
_PARTS = ("engine.runtime.controllers", "engine.runtime.leader", "engine.runtime.scheduling", "engine.fleet.elsewhere")


class EngineError(Exception):
    """The engine cannot start; the message says why and what to do."""


def main(config: EngineConfig) -> None:
    """Run until SIGTERM or SIGINT. Exits 1 with one line when it cannot start."""
    Sparing().start()
    try:
        _run(config)
    except EngineError as error:
        print(f"pilothouse engine: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None


def _run(config: EngineConfig) -> None:
    if importlib.util.find_spec("uvloop") is None:
        asyncio.run(run(config))
        return
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(config))


async def run(config: EngineConfig, on_ready: Callable[[ApiServer], None] | None = None) -> None:
    """Serve until SIGTERM, SIGINT or cancellation. Raises EngineError."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
    except (ValueError, RuntimeError):
        # Not in the main thread: whoever runs us there cancels us.
        pass
    _make_private(config.data_dir)
    with _only_one(config.data_dir):
        try:
            await _serve(config, stopping, on_ready)
        except StoreError as error:
            raise EngineError(str(error)) from error
        finally:
            (config.data_dir / "engine.json").unlink(missing_ok=True)


def scheduler_settings(path: Path | None) -> SchedulerConfig:
    """Raises EngineError naming the field at fault."""
    from engine.scheduler.configuration import DEFAULTS, ConfigurationError, read

    if path is None:
        return DEFAULTS
    # Only here: an engine without such a file need not load a reader of YAML.
    import yaml

    try:
        return read(yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506 - safe
    except OSError as error:
        raise EngineError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise EngineError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ConfigurationError as error:
        raise EngineError(f"{path}: {error}") from error


async def _serve(config: EngineConfig, stopping: asyncio.Event, on_ready: Callable[[ApiServer], None] | None) -> None:
    clock = SystemClock()
    scheduling = scheduler_settings(config.scheduler_config) if config.scheduler_config is not None else None
    _check_pool(config)
    pki = _pki(config)
    async with AsyncExitStack() as stack:
        store = await _opened_store(config, pki)
        stack.push_async_callback(store.close)
        api = await stack.enter_async_context(_listening(config, store, pki, clock))
        address = _reachable(api.http.address)
        own, cidr = api.client("apiserver"), config.service_cidr
        trust = pki.authentication()
        await ensure_objects(own, service_cidr=cidr, address=address, authentication=trust)
        keep = partial(keep_objects, own, clock, service_cidr=cidr, address=address, authentication=trust)
        api.documents.health.checks[config.store] = api.components.checks[STORE] = lambda: store.trouble
        api.documents.actions[SNAPSHOT_PATH] = lambda: _snapshot(store, config.data_dir)
        scope = await stack.enter_async_context(TaskScope("engine"))
        scope.supervise("own-objects", keep)
        _announce(config, pki, address)
        api.documents.health.ready = True
        if config.controllers:
            # They take longer to load than the API takes to start, which answers meanwhile.
            for module in _PARTS:
                await asyncio.to_thread(importlib.import_module, module)
            _start_parts(scope, api, config, pki, clock, scheduling=scheduling)
        if on_ready is not None:
            on_ready(api)
        log.info("engine serves", address=f"{address[0]}:{address[1]}", data_dir=str(config.data_dir))
        await stopping.wait()
        log.info("engine stops")
        api.documents.health.ready = False


def _check_pool(config: EngineConfig) -> None:
    """Addresses of the pool must be the home network's, not the cluster's own. Raises EngineError."""
    if not config.load_balancer_pool:
        return
    from engine.controllers.loadbalancer import Pool

    try:
        pool = Pool.parse(config.load_balancer_pool)
    except ValueError as error:
        raise EngineError(f"the pool for load balancers: {error}") from error
    for owner, cidr in (("pods", config.cluster_cidr), ("Services", config.service_cidr)):
        if pool.meets(cidr):
            raise EngineError(f"the pool for load balancers overlaps {cidr}, the addresses of {owner}: choose another")


def _pki(config: EngineConfig) -> Pki:
    try:
        if config.pki_dir is not None:
            use_shared(config.data_dir, config.pki_dir)
        return Pki.ensure(config.data_dir, names=_own_names(config.host), domain=config.cluster_domain)
    except FileExistsError as error:
        own = config.data_dir / "pki"
        raise EngineError(f"{own} has keys already; move them to {config.pki_dir}, or leave out --pki-dir") from error
    except OSError as error:
        raise EngineError(f"cannot use the keys in {error.filename}: {error.strerror}") from error


async def _opened_store(config: EngineConfig, pki: Pki) -> Store:
    try:
        sealing = sealing_of(pki.sealing_keys)
    except ValueError as error:
        raise EngineError(str(error)) from error
    if config.store == "sqlite":
        return await open_store(config.data_dir / "store.db", sealing)
    return await open_etcd(etcd_access(config), sealing)


def etcd_access(config: EngineConfig) -> EtcdAccess:
    """Raises EngineError."""
    password = os.environ.get("PILOTHOUSE_ETCD_PASSWORD", "")
    if config.etcd_password_file is not None:
        try:
            password = config.etcd_password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise EngineError(f"cannot read {config.etcd_password_file}: {error.strerror}") from error
    if config.etcd_user and not password:
        raise EngineError(
            f"no password for etcd's user {config.etcd_user}: set PILOTHOUSE_ETCD_PASSWORD or --etcd-password-file"
        )
    return EtcdAccess(
        endpoints=config.etcd_endpoints,
        ca_file=config.etcd_ca_file,
        cert_file=config.etcd_cert_file,
        key_file=config.etcd_key_file,
        user=config.etcd_user,
        password=password,
    )


def _oidc(config: EngineConfig) -> OidcSettings | None:
    """Who vouches for people. Raises EngineError."""
    if not config.oidc_issuer_url:
        return None
    if not config.oidc_issuer_url.startswith("https://"):
        raise EngineError(f"the OpenID issuer {config.oidc_issuer_url!r} is no https:// URL")
    if not config.oidc_client_id:
        raise EngineError("an OpenID issuer needs a client id: --oidc-client-id")
    return OidcSettings(
        issuer_url=config.oidc_issuer_url,
        client_id=config.oidc_client_id,
        ca_file=config.oidc_ca_file,
        username_claim=config.oidc_username_claim,
        username_prefix=config.oidc_username_prefix,
        groups_claim=config.oidc_groups_claim,
        groups_prefix=config.oidc_groups_prefix,
        required_claims=config.oidc_required_claims,
        signing_algs=config.oidc_signing_algs,
    )


@asynccontextmanager
async def _listening(config: EngineConfig, store: Store, pki: Pki, clock: SystemClock) -> AsyncGenerator[ApiServer]:
    serving = serve_api(
        store,
        clock,
        listen=(config.host, config.port),
        tls=pki.server_ssl(),
        tokens=pki.folder / "tokens.csv",
        account_key=pki.account_key(),
        issuer=f"https://kubernetes.default.svc.{config.cluster_domain}",
        service_cidr=config.service_cidr,
        node_ports=config.node_port_range,
        audit_log=config.data_dir / "audit.log" if config.audit_log else None,
        front_proxy=FrontProxy(*pki.front_proxy()),
        owner_references=config.enforce_owner_references,
        oidc=_oidc(config),
        pod_security=PodSecurity(
            exemptions=Exemptions(
                config.pod_security_exempt_users,
                config.pod_security_exempt_namespaces,
                config.pod_security_exempt_runtime_classes,
            )
        ),
    )
    try:
        api = await serving.__aenter__()
    except OSError as error:
        raise EngineError(
            f"cannot listen on {config.host}:{config.port}: {error.strerror or error}; choose another with --listen"
        ) from error
    try:
        yield api
    finally:
        await serving.__aexit__(None, None, None)


def _start_parts(
    scope: TaskScope,
    api: ApiServer,
    config: EngineConfig,
    pki: Pki,
    clock: SystemClock,
    *,
    scheduling: SchedulerConfig | None,
) -> None:
    """Start what works through the API; the scope stops it in reverse."""
    from engine.fleet import elsewhere
    from engine.fleet.links import Links
    from engine.runtime.controllers import ControllersConfig, run_controllers
    from engine.runtime.leader import Election, own_identity
    from engine.runtime.scheduling import run_scheduler
    from engine.signing import RequestSigner

    identity = own_identity()

    host, port = _reachable(api.http.address)
    address = {elsewhere.ADDRESS: f"https://{_shown(host)}:{port}"}

    def start(name: str, lease: str, work: Callable[[], Awaitable[None]]) -> Callable[[], bool]:
        """A store that others may write needs a leader for each part; alone we do it all. Whether it is us now."""
        if config.store == "sqlite":
            scope.supervise(name, work)
            return lambda: True
        election = Election(api.client("leader-election"), clock, lease, identity, annotations=address)
        scope.supervise(name, lambda: election.run(work))
        return lambda: election.leads

    settings = ControllersConfig(
        cluster_cidr=config.cluster_cidr,
        root_ca=pki.ca_pem.decode(),
        load_balancer_pool=config.load_balancer_pool,
    )
    controllers, scheduler = api.client("kube-controller-manager"), api.client("kube-scheduler")
    signer = RequestSigner(pki)
    profiles = scheduling or scheduler_settings(None)

    async def control() -> None:
        await run_controllers(controllers, clock, settings, signer, sign_token=api.accounts.issue_for_secret)

    start("controllers", "kube-controller-manager", control)
    start("scheduler", "kube-scheduler", lambda: run_scheduler(scheduler, clock, profiles))

    api.components.checks["controller-manager"] = lambda: scope.health()["controllers"].last_error
    api.components.checks["scheduler"] = lambda: scope.health()["scheduler"].last_error

    links = Links(api.client("fleet"), config.data_dir, api.http.address[1], pki.agent_client_ssl(), clock=clock)
    leads = start("links", elsewhere.LEASE, links.run)
    api.nodes.connections = elsewhere.Elsewhere(links, leads, api.client("fleet"), pki.admin_client_ssl())


async def _snapshot(store: Store, data_dir: Path) -> Response:
    """Write the store's state to a file of its own in the data dir, for whoever asked to take away."""
    path = data_dir / "run" / f"snapshot-{secrets.token_hex(8)}.db"
    try:
        await store.snapshot(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    path.chmod(0o600)
    return json_response({"file": path.name, "revision": store.revision})


def _announce(config: EngineConfig, pki: Pki, address: tuple[str, int]) -> None:
    """Tell the world where we are: kubeconfig and engine.json."""
    host, port = address
    kubeconfig = pki.kubeconfig(f"https://{_shown(host)}:{port}")
    write_private(config.data_dir / "kubeconfig", kubeconfig)
    if config.kubeconfig_out is not None:
        try:
            write_private(config.kubeconfig_out, kubeconfig)
        except OSError as error:
            raise EngineError(f"cannot write {config.kubeconfig_out}: {error.strerror}") from error
    running = msgspec.json.encode(Running(pid=os.getpid(), address=host, port=port))
    write_private(config.data_dir / "engine.json", running)


def _reachable(address: tuple[str, int]) -> tuple[str, int]:
    """Where clients on this computer find a server that listens at `address`."""
    host, port = address
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104


def _shown(host: str) -> str:
    """As it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _own_names(host: str) -> tuple[str, ...]:
    """What the server certificate must hold besides the names it always has."""
    return () if host in ("0.0.0.0", "::", "127.0.0.1", "::1", "localhost") else (host,)  # noqa: S104


def _make_private(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        (data_dir / "run").mkdir(mode=0o700, exist_ok=True)
        for left_over in (data_dir / "run").glob("snapshot-*"):
            left_over.unlink(missing_ok=True)
    except OSError as error:
        raise EngineError(f"cannot use the data dir {data_dir}: {error.strerror}; choose another") from error


@contextmanager
def _only_one(data_dir: Path) -> Generator[None]:
    """Hold the data dir's lock. The kernel lets go of it when we die, however that happens."""
    path = data_dir / "run" / "engine.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EngineError(f"another engine already runs on {data_dir}") from error
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main(EngineConfig())
