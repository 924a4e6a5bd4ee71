"""Each check of the Pod Security Standards as a small function, in upstream's words. Pure.

Source: k8s.io/pod-security-admission/policy/check_*.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from engine.apiserver.registry.kind import Json


@dataclass(frozen=True, slots=True)
class Violation:
    """What a check has against a pod."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


CheckPod = Callable[[Json, Json], Violation | None]
"""(the pod's metadata, its spec)"""


def containers_of(spec: Json) -> Iterator[Json]:
    """All containers, in upstream's order."""
    for name in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(name) or ()


def quoted(items: Iterable[str]) -> str:
    """`"a", "b"`."""
    return ", ".join(f'"{item}"' for item in items)


def counted(word: str, items: list[str]) -> str:
    """`container "a"` or `containers "a", "b"`."""
    return f"{word if len(items) == 1 else f'{word}s'} {quoted(items)}"


def _security(holder: Json) -> Json:
    return holder.get("securityContext") or {}


@dataclass(slots=True)
class _Setters:
    """Who sets what is forbidden: the pod, some containers; and the values."""

    pod: bool = False
    containers: list[str] = field(default_factory=list[str])
    values: set[str] = field(default_factory=set[str])

    def __bool__(self) -> bool:
        return self.pod or bool(self.containers)

    def said(self) -> str:
        return " and ".join(self.parts())

    def parts(self) -> list[str]:
        return [*(["pod"] if self.pod else []), *([counted("container", self.containers)] if self.containers else [])]


def _setters(spec: Json, bad: Callable[[Json], Iterable[str] | None]) -> _Setters:
    """Whose security context `bad` has something against: it gives the forbidden values, or None when all is well."""
    found = _Setters()
    values = bad(_security(spec))
    if values is not None:
        found.pod = True
        found.values.update(values)
    for container in containers_of(spec):
        values = bad(_security(container))
        if values is not None:
            found.containers.append(container.get("name", ""))
            found.values.update(values)
    return found


def _unless_known(kind: str) -> list[str] | None:
    return None if kind in ("RuntimeDefault", "Localhost") else [kind]


def _named(spec: Json, bad: Callable[[Json], bool]) -> list[str]:
    return [container.get("name", "") for container in containers_of(spec) if bad(container)]


# Baseline.


def app_armor(metadata: Json, spec: Json) -> Violation | None:
    def bad(context: Json) -> list[str] | None:
        profile: Json | None = context.get("appArmorProfile")
        return None if profile is None else _unless_known(profile.get("type", ""))

    setters = _setters(spec, bad)
    annotations = sorted(
        f'{key}="{value}"'
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith("container.apparmor.security.beta.kubernetes.io/")
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    )
    values, parts = [*sorted(setters.values), *annotations], setters.parts()
    if annotations:
        parts.append("annotation" if len(annotations) == 1 else "annotations")
    if not parts:
        return None
    reason = "forbidden AppArmor profile" if len(values) == 1 else "forbidden AppArmor profiles"
    return Violation(reason, f"{' and '.join(parts)} must not set AppArmor profile type to {quoted(values)}")


_DEFAULT_CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip


def _added(container: Json, allowed: frozenset[str]) -> set[str]:
    added: list[str] = (_security(container).get("capabilities") or {}).get("add") or []
    return set(added) - allowed


def capabilities_baseline(_metadata: Json, spec: Json) -> Violation | None:
    bad = _named(spec, lambda container: bool(_added(container, _DEFAULT_CAPABILITIES)))
    if not bad:
        return None
    return Violation("non-default capabilities", _must_not_add(spec, bad, _DEFAULT_CAPABILITIES))


def _must_not_add(spec: Json, bad: list[str], allowed: frozenset[str]) -> str:
    added = sorted({name for container in containers_of(spec) for name in _added(container, allowed)})
    return f"{counted('container', bad)} must not include {quoted(added)} in securityContext.capabilities.add"


def host_namespaces(_metadata: Json, spec: Json) -> Violation | None:
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def host_path_volumes(_metadata: Json, spec: Json) -> Violation | None:
    names = [volume.get("name", "") for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Violation("hostPath volumes", counted("volume", names)) if names else None


def host_ports(_metadata: Json, spec: Json) -> Violation | None:
    def ports(container: Json) -> list[str]:
        return [str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")]

    bad = _named(spec, lambda container: bool(ports(container)))
    if not bad:
        return None
    forbidden = sorted({port for container in containers_of(spec) for port in ports(container)})
    use, word = ("uses" if len(bad) == 1 else "use"), ("hostPort" if len(forbidden) == 1 else "hostPorts")
    return Violation("hostPort", f"{counted('container', bad)} {use} {word} {', '.join(forbidden)}")


def host_probes(_metadata: Json, spec: Json) -> Violation | None:
    def hosts(container: Json) -> list[str]:
        lifecycle: Json = container.get("lifecycle") or {}
        handlers = [container.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += [lifecycle.get(name) for name in ("postStart", "preStop")]
        ways = [(handler or {}).get(way) or {} for handler in handlers for way in ("httpGet", "tcpSocket")]
        return [way["host"] for way in ways if way.get("host")]

    bad = sorted(set(_named(spec, lambda container: bool(hosts(container)))))
    if not bad:
        return None
    forbidden = sorted({host for container in containers_of(spec) for host in hosts(container)})
    use = "uses" if len(bad) == 1 else "use"
    return Violation(
        "probe or lifecycle host",
        f"{counted('container', bad)} {use} {counted('probe or lifecycle host', forbidden)}",
    )


def privileged(_metadata: Json, spec: Json) -> Violation | None:
    bad = _named(spec, lambda container: _security(container).get("privileged") is True)
    if not bad:
        return None
    return Violation("privileged", f"{counted('container', bad)} must not set securityContext.privileged=true")


def proc_mount(_metadata: Json, spec: Json) -> Violation | None:
    def masked(container: Json) -> bool:
        return _security(container).get("procMount", "Default") == "Default"

    bad = _named(spec, lambda container: not masked(container))
    if not bad:
        return None
    kinds = sorted({_security(one)["procMount"] for one in containers_of(spec) if not masked(one)})
    detail = f"{counted('container', bad)} must not set securityContext.procMount to {quoted(kinds)}"
    return Violation("procMount", detail)


_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})


def _selinux(allowed: frozenset[str]) -> CheckPod:
    def check(_metadata: Json, spec: Json) -> Violation | None:
        seen: set[str] = set()

        def bad(context: Json) -> list[str] | None:
            options: Json | None = context.get("seLinuxOptions")
            if options is None:
                return None
            types = [] if options.get("type", "") in allowed else [options["type"]]
            extra = {name for name in ("user", "role") if options.get(name)}
            seen.update(extra)
            return types if types or extra else None

        setters = _setters(spec, bad)
        if not setters:
            return None
        data = [counted("type", sorted(setters.values))] if setters.values else []
        data += [f"{name} may not be set" for name in ("user", "role") if name in seen]
        detail = f"{setters.said()} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"
        return Violation("seLinuxOptions", detail)

    return check


se_linux = _selinux(_SELINUX_TYPES)
se_linux_31 = _selinux(_SELINUX_TYPES | {"container_engine_t"})


def seccomp_annotations(metadata: Json, spec: Json) -> Violation | None:
    annotations: dict[str, str] = metadata.get("annotations") or {}
    keys = ["seccomp.security.alpha.kubernetes.io/pod"]
    keys += [f"container.seccomp.security.alpha.kubernetes.io/{one.get('name', '')}" for one in containers_of(spec)]
    forbidden = sorted(
        {
            f'{key}="{annotations[key]}"'
            for key in keys
            if key in annotations
            and annotations[key] not in ("runtime/default", "docker/default")
            and not annotations[key].startswith("localhost/")
        }
    )
    if not forbidden:
        return None
    word = "annotation" if len(forbidden) == 1 else "annotations"
    return Violation("seccompProfile", f"forbidden {word} {', '.join(forbidden)}")


def _bad_seccomp(context: Json) -> list[str] | None:
    profile: Json | None = context.get("seccompProfile")
    return None if profile is None else _unless_known(profile.get("type", ""))


def seccomp_baseline(_metadata: Json, spec: Json) -> Violation | None:
    setters = _setters(spec, _bad_seccomp)
    if not setters:
        return None
    detail = f"{setters.said()} must not set securityContext.seccompProfile.type to {quoted(sorted(setters.values))}"
    return Violation("seccompProfile", detail)


_SYSCTLS = frozenset({
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
})  # fmt: skip
_SYSCTLS_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_29 = _SYSCTLS_27 | {
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_SYSCTLS_32 = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}


def _sysctls(allowed: frozenset[str]) -> CheckPod:
    def check(_metadata: Json, spec: Json) -> Violation | None:
        asked = [one.get("name", "") for one in _security(spec).get("sysctls") or ()]
        forbidden = [name for name in asked if name not in allowed]
        return Violation("forbidden sysctls", ", ".join(forbidden)) if forbidden else None

    return check


sysctls = _sysctls(_SYSCTLS)
sysctls_27, sysctls_29, sysctls_32 = _sysctls(_SYSCTLS_27), _sysctls(_SYSCTLS_29), _sysctls(_SYSCTLS_32)


def windows_host_process(_metadata: Json, spec: Json) -> Violation | None:
    def bad(context: Json) -> list[str] | None:
        return [] if (context.get("windowsOptions") or {}).get("hostProcess") is True else None

    setters = _setters(spec, bad)
    if not setters:
        return None
    return Violation("hostProcess", f"{setters.said()} must not set securityContext.windowsOptions.hostProcess=true")


# Restricted.


def privilege_escalation(_metadata: Json, spec: Json) -> Violation | None:
    bad = _named(spec, lambda container: _security(container).get("allowPrivilegeEscalation") is not False)
    if not bad:
        return None
    detail = f"{counted('container', bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail)


_BINDING = frozenset({"NET_BIND_SERVICE"})


def capabilities_restricted(_metadata: Json, spec: Json) -> Violation | None:
    def keeps(container: Json) -> bool:
        return "ALL" not in ((_security(container).get("capabilities") or {}).get("drop") or ())

    keeping = _named(spec, keeps)
    adding = _named(spec, lambda container: bool(_added(container, _BINDING)))
    details: list[str] = []
    if keeping:
        details.append(f'{counted("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(_must_not_add(spec, adding, _BINDING))
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


_VOLUMES = frozenset({
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
})  # fmt: skip
_RESTRICTED_VOLUMES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd",
    "flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk",
    "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos",
)  # fmt: skip


def restricted_volumes(_metadata: Json, spec: Json) -> Violation | None:
    volumes: list[Json] = spec.get("volumes") or []
    bad = [volume for volume in volumes if not any(volume.get(name) is not None for name in _VOLUMES)]
    if not bad:
        return None
    kinds = sorted({next((n for n in _RESTRICTED_VOLUMES if one.get(n) is not None), "unknown") for one in bad})
    names = [volume.get("name", "") for volume in bad]
    use = "uses" if len(names) == 1 else "use"
    detail = f"{counted('volume', names)} {use} {counted('restricted volume type', kinds)}"
    return Violation("restricted volume types", detail)


def run_as_non_root(_metadata: Json, spec: Json) -> Violation | None:
    reason = "runAsNonRoot != true"
    setters = _setters(spec, lambda context: [] if context.get("runAsNonRoot") is False else None)
    if setters:
        return Violation(reason, f"{setters.said()} must not set securityContext.runAsNonRoot=false")
    if _security(spec).get("runAsNonRoot"):
        return None
    bad = _named(spec, lambda container: _security(container).get("runAsNonRoot") is None)
    if not bad:
        return None
    return Violation(reason, f"pod or {counted('container', bad)} must set securityContext.runAsNonRoot=true")


def run_as_user(_metadata: Json, spec: Json) -> Violation | None:
    setters = _setters(spec, lambda context: [] if context.get("runAsUser") == 0 else None)
    return Violation("runAsUser=0", f"{setters.said()} must not set runAsUser=0") if setters else None


def seccomp_restricted(metadata: Json, spec: Json) -> Violation | None:
    found = seccomp_baseline(metadata, spec)
    if found is not None or _security(spec).get("seccompProfile") is not None:
        return found
    bad = _named(spec, lambda container: _security(container).get("seccompProfile") is None)
    if not bad:
        return None
    return Violation(
        "seccompProfile",
        f'pod or {counted("container", bad)} must set securityContext.seccompProfile.type to "RuntimeDefault" or'
        ' "Localhost"',
    )


# Pods to which a check does not apply.


def unless_windows(check: CheckPod) -> CheckPod:
    """The check for pods of other systems than Windows."""
    return lambda metadata, spec: None if (spec.get("os") or {}).get("name") == "windows" else check(metadata, spec)


def unless_own_users(check: CheckPod) -> CheckPod:
    """The check for pods that share the machine's users."""
    return lambda metadata, spec: None if spec.get("hostUsers") is False else check(metadata, spec)
