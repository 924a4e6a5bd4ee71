"""What every namespace is born with: the ServiceAccount `default` and the ConfigMap with the cluster's root CA."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from apimachinery.objects.meta import Object, object_key
from apimachinery.objects.resources import CONFIGMAPS, SERVICEACCOUNTS
from engine.controllers.actions import Action, Create, Patch
from engine.controllers.controller import Moment, Reader, Source, Watch
from engine.controllers.views import NAMESPACE_SOURCE, Namespace

DEFAULT_ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)
_ANNOTATION = "kubernetes.io/description"


class _RootCaData(msgspec.Struct, frozen=True):
    certificate: str = msgspec.field(default="", name="ca.crt")


class SecretReference(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str = ""


class Account(Object, frozen=True):
    secrets: tuple[SecretReference, ...] = ()


class ConfigMap(Object, frozen=True):
    data: _RootCaData = _RootCaData()


ACCOUNT_SOURCE = Source(SERVICEACCOUNTS, Account)
CONFIGMAP_SOURCE = Source(CONFIGMAPS, ConfigMap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    namespace: Namespace
    account: Object | None
    root_ca: ConfigMap | None
    certificate: str
    """The root CA as PEM; empty when this engine publishes none."""


def plan(observed: Observed) -> list[Action]:
    name = observed.namespace.metadata.name
    if observed.namespace.status.phase != "Active" or observed.namespace.metadata.deletion_timestamp is not None:
        return []
    actions: list[Action] = []
    if observed.account is None:
        body = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": DEFAULT_ACCOUNT, "namespace": name},
        }
        actions.append(Create(resource=SERVICEACCOUNTS, namespace=name, body=body))
    if observed.certificate:
        actions += _publish(name, observed.root_ca, observed.certificate)
    return actions


def _publish(namespace: str, present: ConfigMap | None, certificate: str) -> list[Action]:
    content = {"data": {"ca.crt": certificate}}
    annotations = {"annotations": {_ANNOTATION: DESCRIPTION}}
    if present is None:
        meta = {"name": ROOT_CA, "namespace": namespace, **annotations}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, **content}
        return [Create(resource=CONFIGMAPS, namespace=namespace, body=body)]
    if present.data.certificate == certificate and present.metadata.annotations.get(_ANNOTATION) == DESCRIPTION:
        return []
    patch = {"metadata": annotations, **content}
    return [Patch(resource=CONFIGMAPS, namespace=namespace, name=ROOT_CA, uid=present.metadata.uid, body=patch)]


class ServiceAccountController:
    """`certificate`: the PEM of the root CA that pods are to trust."""

    name = "serviceaccount"
    component = "service-account-controller"

    def __init__(self, certificate: str) -> None:
        self._certificate = certificate
        self.watches = (
            Watch(NAMESPACE_SOURCE, lambda namespace, _: [namespace.metadata.name]),
            Watch(ACCOUNT_SOURCE, lambda account, _: _namespace_if(account, DEFAULT_ACCOUNT)),
            Watch(CONFIGMAP_SOURCE, lambda config, _: _namespace_if(config, ROOT_CA)),
        )

    async def observe(self, key: str, reader: Reader, moment: Moment) -> Observed | None:  # noqa: ARG002
        namespace = reader.get(NAMESPACE_SOURCE, key)
        if namespace is None:
            return None
        return Observed(
            namespace=namespace,
            account=reader.get(ACCOUNT_SOURCE, object_key(key, DEFAULT_ACCOUNT)),
            root_ca=reader.get(CONFIGMAP_SOURCE, object_key(key, ROOT_CA)),
            certificate=self._certificate,
        )

    def plan(self, observed: Observed) -> list[Action]:
        return plan(observed)


def _namespace_if(obj: Object, name: str) -> Iterable[str]:
    return [obj.metadata.namespace] if obj.metadata.name == name else []
