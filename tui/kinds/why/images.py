"""Why an image does not come: by the words of registries and runtimes. Pure."""

from collections.abc import Iterator

from tui.kinds.why.case import Advice, Case
from tui.kinds.why.wording import Wording, rules, waiting, warned

_PULL = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
_CHECK_NAME = Advice("Set a name and tag that exist", "i", "kubectl set image ... {container}=NAME:TAG")
_LOGIN = Advice(
    "Name a Secret with a login under imagePullSecrets",
    "e",
    "kubectl create secret docker-registry login{ns} --docker-server=... --docker-username=... --docker-password=...",
)
_NETWORK = Advice("Look whether the machine reaches the registry", "o", "kubectl get nodes -o wide")

WORDINGS = (
    Wording(
        "image-name-invalid",
        r"InvalidImageName|invalid reference format",
        "The image name of {container} is not a valid one.",
        _CHECK_NAME,
    ),
    Wording(
        "image-never-pulled",
        r"ErrImageNeverPull|pull policy of Never",
        "The image of {container} is not on the machine, and its pull policy says never to fetch it.",
        Advice("Load the image onto the machine, or let it be pulled: imagePullPolicy IfNotPresent", "e"),
    ),
    Wording(
        "image-rate-limit",
        r"toomanyrequests|rate limit|429 Too Many Requests",
        "The registry takes no more pulls from this address for now (rate limit).",
        Advice("Log in to the registry, use a mirror, or wait", "e"),
    ),
    Wording(
        "image-unauthorized",
        r"401 Unauthorized|403 Forbidden|pull access denied|authorization failed|"
        r"insufficient_scope|no basic auth credentials|authentication required",
        "The registry does not let the machine have this image without a login, or it does not exist.",
        _LOGIN,
    ),
    Wording(
        "image-platform",
        r"no match for platform|no matching manifest|does not match the specified platform",
        "The image exists, but not for the processor of this machine.",
        Advice("Choose an image built for it, or a machine with another one (nodeSelector kubernetes.io/arch)", "e"),
    ),
    Wording(
        "image-not-found",
        r"manifest unknown|repository .* not found|: not found|NotFound desc|not found: manifest",
        "The registry has no image of this name and tag.",
        _CHECK_NAME,
    ),
    Wording(
        "image-certificate",
        r"x509:|certificate signed by unknown authority|tls: failed to verify",
        "The machine does not trust the registry's certificate.",
        Advice("Give the machine the registry's CA, or the registry a certificate that is known"),
    ),
    Wording(
        "image-http",
        r"server gave HTTP response to HTTPS client",
        "The registry speaks plain HTTP, and the machine expects HTTPS.",
        Advice("Join the machine with this registry as a mirror, or give the registry a certificate"),
    ),
    Wording(
        "image-name-resolution",
        r"no such host|server misbehaving|temporary failure in name resolution",
        "The machine cannot look up the registry's name.",
        Advice("Look at the machine's name servers", "o", "kubectl get nodes -o wide"),
    ),
    Wording(
        "image-no-route",
        r"no route to host|network is unreachable|connection refused|i/o timeout|"
        r"deadline exceeded|connection reset",
        "The machine cannot reach the registry.",
        _NETWORK,
    ),
    Wording(
        "image-disk-full",
        r"no space left on device",
        "The machine's disk is full: the image cannot be unpacked.",
        Advice("Free space on the machine", "o", "kubectl describe node {node}"),
    ),
)


def _texts(case: Case) -> Iterator[tuple[str, str]]:
    """What each waiting container says, joined with the warning that told more before the back-off began."""
    failed = [
        text for _, text in warned("Failed", "InspectFailed", "ErrImageNeverPull")(case) if "image" in text.lower()
    ]
    said = waiting(*_PULL, "InvalidImageName", "ErrImageNeverPull")
    for container, text in said(case):
        yield container, " ".join([text, *failed[:1]])


RULES = rules(WORDINGS, _texts, "Pod")
