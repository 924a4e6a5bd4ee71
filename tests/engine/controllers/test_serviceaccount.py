"""What every namespace is born with."""

from typing import Any

import msgspec

from apimachinery.objects.meta import Object, ObjectMeta
from apimachinery.objects.resources import CONFIGMAPS, SERVICEACCOUNTS
from engine.controllers import serviceaccount
from engine.controllers.actions import Action, Create, Patch
from engine.controllers.serviceaccount import ConfigMap
from engine.controllers.views import Namespace, NamespaceStatus

ACTIVE = Namespace(metadata=ObjectMeta(name="tmp"))
ACCOUNT = Object(metadata=ObjectMeta(name="default", namespace="tmp"))


def config_map(certificate: str) -> ConfigMap:
    whole = {
        "metadata": {
            "name": serviceaccount.ROOT_CA,
            "uid": "u",
            "annotations": {"kubernetes.io/description": serviceaccount.DESCRIPTION},
        },
        "data": {"ca.crt": certificate},
    }
    return msgspec.convert(whole, ConfigMap)


def plan(**facts: Any) -> list[Action]:
    defaults: dict[str, Any] = {"namespace": ACTIVE, "account": ACCOUNT, "root_ca": config_map("PEM")}
    return serviceaccount.plan(serviceaccount.Observed(**{**defaults, "certificate": "PEM", **facts}))


def test_complete_namespace_plans_nothing() -> None:
    assert plan() == []


def test_account_and_certificate_are_created() -> None:
    created = [a for a in plan(account=None, root_ca=None) if isinstance(a, Create)]
    assert [(a.resource, a.body["metadata"]["name"]) for a in created] == [
        (SERVICEACCOUNTS, "default"),
        (CONFIGMAPS, "kube-root-ca.crt"),
    ]
    assert created[1].body["data"] == {"ca.crt": "PEM"}


def test_changed_certificate_is_put_right() -> None:
    (patch,) = plan(root_ca=config_map("forged"))
    assert isinstance(patch, Patch)
    assert patch.body["data"] == {"ca.crt": "PEM"}  # pyright: ignore


def test_engine_without_a_certificate_publishes_none() -> None:
    assert plan(root_ca=None, certificate="") == []


def test_namespace_on_its_way_out_gets_nothing() -> None:
    going = Namespace(metadata=ObjectMeta(name="tmp"), status=NamespaceStatus(phase="Terminating"))
    assert plan(namespace=going, account=None, root_ca=None) == []
