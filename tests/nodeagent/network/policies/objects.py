"""Short ways to write policies, pods and namespaces."""

from collections.abc import Sequence
from typing import Any

import msgspec

from apimachinery.objects.meta import ObjectMeta
from nodeagent.network.policies.rules import Known
from nodeagent.network.policies.views import (
    Container,
    ContainerPort,
    NamespaceView,
    PodSpec,
    PodStatus,
    PodView,
    PolicyView,
)


def pod(
    name: str, address: str, namespace: str = "default", ports: Sequence[ContainerPort] = (), **labels: str
) -> PodView:
    return PodView(
        metadata=ObjectMeta(name=name, namespace=namespace, uid=f"uid-{name}", labels={"app": name} | labels),
        spec=PodSpec(containers=(Container(ports=tuple(ports)),)),
        status=PodStatus(phase="Running", pod_ip=address),
    )


def policy(spec: dict[str, Any], name: str = "p", namespace: str = "default") -> PolicyView:
    """From a spec as it stands in a manifest."""
    return PolicyView(
        metadata=ObjectMeta(name=name, namespace=namespace), spec=msgspec.convert(spec, type_of_spec(), strict=True)
    )


def type_of_spec() -> type:
    return type(PolicyView().spec)


def namespace(name: str, **labels: str) -> NamespaceView:
    return NamespaceView(metadata=ObjectMeta(name=name, labels={"kubernetes.io/metadata.name": name} | labels))


def known(pods: Sequence[PodView], *namespaces: NamespaceView) -> Known:
    spaces = (namespace("default"), *namespaces)
    return Known(
        pods={f"{p.metadata.namespace}/{p.metadata.name}": p for p in pods},
        namespaces={s.metadata.name: s for s in spaces},
    )
