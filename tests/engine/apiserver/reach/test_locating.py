"""Where requests go: names taken apart, paths cleaned, endpoints chosen, links and headers rewritten."""

from __future__ import annotations

from typing import Any

import pytest

from apimachinery.objects.errors import BadRequest, ServiceUnavailable
from engine.apiserver.reach import headers, locating
from engine.apiserver.reach.locating import Asked, Place

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        pytest.param("web", Asked("http", "web", ""), id="name"),
        pytest.param("web:8080", Asked("http", "web", "8080"), id="name-and-port"),
        pytest.param("https:web:", Asked("https", "web", ""), id="scheme"),
        pytest.param("http:web:metrics", Asked("http", "web", "metrics"), id="all"),
    ],
)
def test_name_of_a_proxied_object_tells_scheme_and_port(text: str, asked: Asked) -> None:
    assert locating.asked_of(text, "service") == asked


@pytest.mark.parametrize("text", ["ftp:web:21", "a:b:c:d", "https::443", ":80"])
def test_name_that_cannot_be_taken_apart_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match=f'invalid pod request "{text}"'):
        locating.asked_of(text, "pod")


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        pytest.param("", "", id="none"),
        pytest.param("a/b", "/a/b", id="plain"),
        pytest.param("a/b/", "/a/b/", id="slash-kept"),
        pytest.param("a/../../../etc", "/etc", id="no-climbing"),
        pytest.param("a/%2e%2e/b", "/b", id="no-hidden-climbing"),
        pytest.param("//a//b", "/a/b", id="doubled"),
        pytest.param("a%20b?", "/a%20b%3F", id="spaces"),
        pytest.param("%ff", "/%FF", id="no-text"),
    ],
)
def test_path_of_the_backend_is_cleaned(rest: str, path: str) -> None:
    assert locating.backend_path(rest, f"/api/v1/nodes/n/proxy/{rest}" if rest else "/api/v1/nodes/n/proxy") == path


def service(**spec: Any) -> Json:
    return {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}], **spec}}


def piece(*endpoints: Json, name: str = "http", port: int = 8080) -> Json:
    return {"endpoints": list(endpoints), "ports": [{"name": name, "port": port, "protocol": "TCP"}]}


def endpoint(ip: str, *, pod: bool = True, ready: bool = True) -> Json:
    target = {"targetRef": {"kind": "Pod", "name": ip}} if pod else {}
    return {"addresses": [ip], "nodeName": "m1", "conditions": {"ready": ready}, **target}


def test_ready_pods_of_the_named_or_numbered_port_are_chosen() -> None:
    slices = [piece(endpoint("10.0.0.1"), endpoint("10.0.0.2", ready=False), endpoint("10.0.0.3", pod=False))]
    for port in ("http", "80"):
        places = locating.places_of_service(service(), slices, Asked("http", "web", port))
        assert places == [Place("m1", "10.0.0.1", 8080)]
    places = locating.endpoints_of(service(), slices, 80)
    assert [place.host for place in places] == ["10.0.0.1", "10.0.0.3"]


def test_service_without_what_is_asked_is_unavailable_in_upstreams_words() -> None:
    asked = Asked("http", "web", "81")
    with pytest.raises(ServiceUnavailable, match='no service port 81 found for service "web"'):
        locating.places_of_service(service(), [], asked)
    with pytest.raises(ServiceUnavailable, match='no endpoints available for service "web"'):
        locating.places_of_service(service(), [piece(endpoint("10.0.0.1"))], Asked("http", "web", ""))
    with pytest.raises(ServiceUnavailable, match='unsupported service type "ExternalName"'):
        locating.endpoints_of(service(type="ExternalName"), [], 80)


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "", "0.0.0.0", "::1"])
def test_pod_is_not_reached_at_an_address_that_means_the_machine_itself(ip: str) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "m1"}, "status": {"podIP": ip}}
    with pytest.raises(BadRequest, match="address not allowed"):
        locating.place_of_pod(pod, Asked("http", "p", "80"))


def test_credentials_and_what_belongs_to_one_hop_stay_behind() -> None:
    asked = [
        ("Authorization", "Bearer secret"), ("Impersonate-User", "me"), ("Connection", "keep-alive, X-Mine"),
        ("X-Mine", "1"), ("TE", "trailers"), ("Accept", "*/*"), ("X-Forwarded-For", "192.0.2.1"),
        ("Sec-WebSocket-Protocol", "base64url.bearer.authorization.k8s.io.c2VjcmV0, chat"),
    ]  # fmt: skip
    assert headers.onward(asked, "192.0.2.9") == [
        ("Accept", "*/*"), ("Sec-WebSocket-Protocol", "chat"), ("X-Forwarded-For", "192.0.2.1, 192.0.2.9"),
    ]  # fmt: skip
    assert headers.back([("Transfer-Encoding", "chunked"), ("X-Own", "1")]) == [("X-Own", "1")]


@pytest.mark.parametrize(
    ("target", "link"),
    [
        pytest.param("/login", "/p/login", id="absolute-path"),
        pytest.param("/login/?a=b#c", "/p/login/?a=b#c", id="with-query"),
        pytest.param("login", "login", id="relative"),
        pytest.param("http://10.0.0.1:80/x", "/p/x", id="backends-own-host"),
        pytest.param("http://elsewhere/x", "http://elsewhere/x", id="other-host"),
        pytest.param("https://api:6443/x", "https://api:6443/p/x", id="the-host-that-was-asked"),
        pytest.param("/p/x", "/p/x", id="through-the-proxy-already"),
    ],
)
def test_redirect_to_the_same_host_goes_through_the_proxy_again(target: str, link: str) -> None:
    assert headers.link(target, host="10.0.0.1:80", asked_host="api:6443", prepend="/p") == link
