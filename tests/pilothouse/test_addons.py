"""What add-ons consist of."""

import pytest

from pilothouse.addons.manifests import ADDONS, documents, resource_of


@pytest.mark.parametrize("name", ADDONS)
def test_every_object_has_a_place_and_comes_after_what_it_lives_in(name: str) -> None:
    made: set[str] = set()
    for document in documents(name):
        resource, namespace = resource_of(document), document["metadata"].get("namespace", "")
        assert resource.namespaced == bool(namespace)
        assert not namespace or namespace in made
        if document["kind"] == "Namespace":
            made.add(document["metadata"]["name"])


def test_ingresses_tell_the_services_address_or_the_one_that_is_given() -> None:
    def told(address: str) -> list[str]:
        (workload,) = (one for one in documents("ingress", address) if one["kind"] == "DaemonSet")
        args = workload["spec"]["template"]["spec"]["containers"][0]["args"]
        return [word.partition("ingressendpoint.")[2] for word in args if "ingressendpoint" in word]

    assert told("") == ["publishedservice=traefik/traefik"]
    assert told("192.0.2.7") == ["ip=192.0.2.7"]
