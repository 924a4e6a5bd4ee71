"""A container's environment: literals, references, $(VAR) expansion, and what it is told of Services. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from apimachinery.objects.meta import Object
from nodeagent.pods.view import Container, EnvVar, Pod
from nodeagent.volumes.fields import FieldError, PodFacts, field_text, resource_text
from nodeagent.volumes.objects import CONFIG_MAP, SECRET, Contents, MissingReference, Reference
from nodeagent.volumes.view import View


class ServicePort(View, frozen=True):
    name: str = ""
    port: int = 0
    protocol: str = "TCP"


class ServiceSpec(View, frozen=True):
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    ports: tuple[ServicePort, ...] = ()


class Service(Object, frozen=True, rename="camel"):
    spec: ServiceSpec = ServiceSpec()


def env_references(containers: Iterable[Container]) -> set[Reference]:
    """The objects that the environments of these containers are made from."""
    found: set[Reference] = set()
    for container in containers:
        for source in container.env_from:
            if source.config_map_ref is not None:
                found.add((CONFIG_MAP, source.config_map_ref.name))
            if source.secret_ref is not None:
                found.add((SECRET, source.secret_ref.name))
        for variable in container.env:
            origin = variable.value_from
            if origin is not None and origin.config_map_key_ref is not None:
                found.add((CONFIG_MAP, origin.config_map_key_ref.name))
            if origin is not None and origin.secret_key_ref is not None:
                found.add((SECRET, origin.secret_key_ref.name))
    return found


def environment(container: Container, pod: PodFacts, contents: Contents, services: Mapping[str, str]) -> dict[str, str]:
    """Name to value, in the order of definition. Raises MissingReference, FieldError."""
    env: dict[str, str] = {}
    for source in container.env_from:
        for kind, reference in ((CONFIG_MAP, source.config_map_ref), (SECRET, source.secret_ref)):
            if reference is not None:
                content = contents.get(kind, reference.name, optional=reference.optional)
                env |= {source.prefix + key: _text(value) for key, value in sorted(content.items())}
    for variable in container.env:
        value = _value(variable, container.name, pod, contents, (env, services))
        if value is not None:
            env[variable.name] = value
    return env | {name: value for name, value in services.items() if name not in env}


def expand(text: str, known: Sequence[Mapping[str, str]]) -> str:
    """Replace $(NAME) by the first known value; an unknown name stays as written, ``$$`` becomes ``$``."""
    out: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0 and dollar + 1 < len(text):
        out.append(text[at:dollar])
        following = text[dollar + 1]
        end = text.find(")", dollar) if following == "(" else -1
        if following == "$":
            out.append("$")
            at = dollar + 2
        elif end >= 0:
            name = text[dollar + 2 : end]
            out.append(next((where[name] for where in known if name in where), text[dollar : end + 1]))
            at = end + 1
        else:
            out.append("$" + following)
            at = dollar + 2
    out.append(text[at:])
    return "".join(out)


def service_variables(services: Iterable[Service], pod: Pod) -> dict[str, str]:
    """Docker-style variables for the Services of the pod's namespace, and always for ``default/kubernetes``."""
    variables: dict[str, str] = {}
    chosen: dict[str, Service] = {}
    for service in services:
        if service.spec.cluster_ip in ("", "None"):
            continue
        meta = service.metadata
        if meta.namespace == "default" and meta.name == "kubernetes":
            chosen.setdefault(meta.name, service)
        if meta.namespace == pod.metadata.namespace and pod.spec.enable_service_links:
            chosen[meta.name] = service
    for name in sorted(chosen):
        variables |= _service(name.upper().replace("-", "_"), chosen[name].spec)
    return variables


def _service(prefix: str, spec: ServiceSpec) -> dict[str, str]:
    if not spec.ports:
        return {}
    host = f"[{spec.cluster_ip}]" if ":" in spec.cluster_ip else spec.cluster_ip
    first = spec.ports[0]
    variables = {f"{prefix}_SERVICE_HOST": spec.cluster_ip, f"{prefix}_SERVICE_PORT": str(first.port)}
    for port in spec.ports:
        if port.name:
            variables[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
    variables[f"{prefix}_PORT"] = f"{first.protocol.lower()}://{host}:{first.port}"
    for port in spec.ports:
        protocol = port.protocol.lower()
        link = f"{prefix}_PORT_{port.port}_{port.protocol.upper()}"
        variables[link] = f"{protocol}://{host}:{port.port}"
        variables[f"{link}_PROTO"] = protocol
        variables[f"{link}_PORT"] = str(port.port)
        variables[f"{link}_ADDR"] = spec.cluster_ip
    return variables


def _value(
    variable: EnvVar,
    container: str,
    pod: PodFacts,
    contents: Contents,
    known: Sequence[Mapping[str, str]],
) -> str | None:
    """The value of one variable; None when an optional reference leads nowhere."""
    source = variable.value_from
    if source is None:
        return expand(variable.value, known)
    if source.field_ref is not None:
        return field_text(pod, source.field_ref)
    if source.resource_field_ref is not None:
        return resource_text(pod, source.resource_field_ref, container)
    for kind, label, selector in (
        (CONFIG_MAP, "ConfigMap", source.config_map_key_ref),
        (SECRET, "Secret", source.secret_key_ref),
    ):
        if selector is None:
            continue
        content = contents.get(kind, selector.name, optional=selector.optional)
        if selector.key in content:
            return _text(content[selector.key])
        if selector.optional:
            return None
        raise MissingReference(f"couldn't find key {selector.key} in {label} {pod.namespace}/{selector.name}")
    raise FieldError(f"environment variable {variable.name} has an empty valueFrom")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
