"""Reading kubeconfig files: which server, how to trust it, who we are.

Follows client-go's rules: KUBECONFIG may list several files, the first that names a thing wins; relative paths are
relative to the file that holds them; exec plugins speak client.authentication.k8s.io/v1.
"""

import asyncio
import base64
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml

from apimachinery.aio.clock import Clock, SystemClock
from apimachinery.client.errors import ConnectionFailed, KubeconfigError
from apimachinery.client.http import AuthHeaders, HttpTransport
from apimachinery.objects.meta import parse_time

EXEC_TIMEOUT = 60.0
RENEW_BEFORE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAccess:
    """A context of a kubeconfig, ready to connect. `auth_headers` is asked before every request."""

    context: str
    cluster: str
    user: str
    server: str
    namespace: str = "default"
    ssl_context: ssl.SSLContext | None = None
    auth_headers: AuthHeaders | None = None
    server_hostname: str | None = None
    proxy: str | None = None
    client_certificate: bytes | None = None
    """PEM of the certificate that the user signs in with, where there is one."""

    def transport(self, user_agent: str = "pilothouse") -> HttpTransport:
        return HttpTransport(
            self.server,
            ssl_context=self.ssl_context,
            auth_headers=self.auth_headers,
            server_hostname=self.server_hostname,
            proxy=self.proxy,
            user_agent=user_agent,
        )


@dataclass(slots=True)
class Kubeconfig:
    """The merged content of one or more files; entries remember the folder their paths are relative to."""

    clusters: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    users: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    contexts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    current_context: str = ""
    source: str = ""

    def access(self, context: str | None = None) -> ClusterAccess:
        """Resolve a context, the current one by default. Raises KubeconfigError naming what is missing."""
        name = context or self.current_context
        if not name:
            raise KubeconfigError(f"{self.source}: no current-context is set and none was named")
        chosen = self._entry(self.contexts, "context", name)
        cluster = self._entry(self.clusters, "cluster", chosen.get("cluster", ""))
        user = self.users.get(chosen.get("user", ""), {})
        server = cluster.get("server", "")
        if not server:
            raise KubeconfigError(f'{self.source}: cluster "{chosen.get("cluster")}" has no server')
        return ClusterAccess(
            context=name,
            cluster=chosen.get("cluster", ""),
            user=chosen.get("user", ""),
            server=server,
            namespace=chosen.get("namespace") or "default",
            ssl_context=_ssl_context(cluster, user) if server.startswith("https") else None,
            auth_headers=_auth(user),
            server_hostname=cluster.get("tls-server-name"),
            proxy=cluster.get("proxy-url"),
            client_certificate=_material(user, "client-certificate"),
        )

    def _entry(self, entries: Mapping[str, dict[str, Any]], what: str, name: str) -> dict[str, Any]:
        if name not in entries:
            raise KubeconfigError(f'{self.source}: {what} "{name}" does not exist')
        return entries[name]


def load(path: str | os.PathLike[str] | None = None, context: str | None = None) -> ClusterAccess:
    """The access that a kubeconfig gives: `path`, else KUBECONFIG, else ~/.kube/config. Raises KubeconfigError."""
    return read(path).access(context)


def read(path: str | os.PathLike[str] | None = None) -> Kubeconfig:
    """The merged kubeconfig. A file that is named and missing is an error; one of KUBECONFIG's list is not."""
    if path is not None:
        files = [Path(path).expanduser()]
    elif os.environ.get("KUBECONFIG"):
        listed = [Path(p).expanduser() for p in os.environ["KUBECONFIG"].split(os.pathsep) if p]
        files = [p for p in listed if p.exists()] or listed[:1]
    else:
        files = [Path.home() / ".kube" / "config"]
    merged = Kubeconfig(source=os.pathsep.join(map(str, files)))
    for file in files:
        _merge(merged, file)
    return merged


def _merge(into: Kubeconfig, file: Path) -> None:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise KubeconfigError(f"{file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{file}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise KubeconfigError(f"{file}: not a kubeconfig")
    for section, inner, target in (
        ("clusters", "cluster", into.clusters),
        ("users", "user", into.users),
        ("contexts", "context", into.contexts),
    ):
        for entry in content.get(section) or ():
            if not isinstance(entry, dict) or "name" not in entry:
                raise KubeconfigError(f"{file}: {section}: an entry has no name")
            target.setdefault(entry["name"], {**(entry.get(inner) or {}), "_folder": file.parent})
    into.current_context = into.current_context or content.get("current-context") or ""


def _ssl_context(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _material(cluster, "certificate-authority")
    try:
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _load_identity(context, _material(user, "client-certificate"), _material(user, "client-key"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"certificate or key cannot be read: {error}") from error
    return context


def _load_identity(context: ssl.SSLContext, certificate: bytes | None, private_key: bytes | None) -> None:
    if not certificate or not private_key:
        return
    with _private_file(certificate + b"\n" + private_key) as file:
        context.load_cert_chain(file)


@contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    # OpenSSL reads identities from files only; mkstemp makes it 0600, and it is gone right after.
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield name
    finally:
        Path(name).unlink()


def _material(entry: Mapping[str, Any], field_name: str) -> bytes | None:
    inline = entry.get(f"{field_name}-data")
    if inline:
        try:
            return base64.b64decode(inline, validate=True)
        except ValueError as error:
            raise KubeconfigError(f"{field_name}-data is not valid base64") from error
    if entry.get(field_name):
        file = entry["_folder"] / Path(entry[field_name]).expanduser()
        try:
            return file.read_bytes()
        except OSError as error:
            raise KubeconfigError(f"{field_name}: {file}: {error.strerror}") from error
    return None


def _auth(user: Mapping[str, Any]) -> AuthHeaders | None:
    if user.get("exec"):
        return ExecPlugin(user["exec"], folder=user["_folder"])
    if user.get("tokenFile"):
        file = user["_folder"] / user["tokenFile"]
        return lambda: _bearer_from_file(file)
    if user.get("token"):
        return _constant({"Authorization": f"Bearer {user['token']}"})
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return _constant({"Authorization": f"Basic {base64.b64encode(pair).decode()}"})
    return None


def _constant(headers: dict[str, str]) -> AuthHeaders:
    async def give() -> Mapping[str, str]:
        return headers

    return give


async def _bearer_from_file(file: Path) -> Mapping[str, str]:
    try:
        token = await asyncio.to_thread(file.read_text)
    except OSError as error:
        raise ConnectionFailed(f"token file {file}: {error.strerror}") from error
    return {"Authorization": f"Bearer {token.strip()}"}


class ExecPlugin:
    """Asks a credential plugin (client.authentication.k8s.io) for a token, and again shortly before it expires."""

    def __init__(self, spec: Mapping[str, Any], *, folder: Path, clock: Clock | None = None) -> None:
        self._spec = spec
        self._folder = folder
        self._clock = clock or SystemClock()
        self._headers: Mapping[str, str] | None = None
        self._expires: datetime | None = None
        self._asking = asyncio.Lock()

    async def __call__(self) -> Mapping[str, str]:
        async with self._asking:
            if self._headers is None or (self._expires and self._clock.now() >= self._expires - RENEW_BEFORE):
                await self._ask()
            return self._headers or {}

    async def _ask(self) -> None:
        command = self._spec.get("command", "")
        api_version = self._spec.get("apiVersion", "client.authentication.k8s.io/v1")
        info = {"apiVersion": api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
        environment = {**os.environ, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}
        environment |= {e["name"]: e["value"] for e in self._spec.get("env") or ()}
        program = str(self._folder / command) if "/" in command and not command.startswith("/") else command
        try:
            process = await asyncio.create_subprocess_exec(
                program, *(self._spec.get("args") or ()), env=environment,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise ConnectionFailed(f"credential plugin {command}: {error.strerror}") from error
        try:
            output, errors = await asyncio.wait_for(process.communicate(), EXEC_TIMEOUT)
        except (TimeoutError, asyncio.CancelledError):
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise ConnectionFailed(f"credential plugin {command} failed: {errors.decode(errors='replace').strip()}")
        try:
            status = msgspec.json.decode(output)["status"]
            self._headers = {"Authorization": f"Bearer {status['token']}"}
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise ConnectionFailed(f"credential plugin {command} gave no token") from error
        expires = status.get("expirationTimestamp")
        self._expires = parse_time(expires) if expires else None
