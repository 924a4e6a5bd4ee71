"""The table of checks, by level and release, and what they say of a pod together. Pure.

Source: k8s.io/pod-security-admission/policy/registry.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.apiserver.admission.podsecurity import checks
from engine.apiserver.admission.podsecurity.checks import CheckPod, Violation
from engine.apiserver.admission.podsecurity.policy import Level, LevelVersion
from engine.apiserver.registry.kind import Json


@dataclass(frozen=True, slots=True)
class Check:
    """A check as it became stricter or laxer: from each minor version on, the function that holds."""

    level: Level
    since: Mapping[int, CheckPod]
    overrides: str = ""
    """The baseline check that this one includes."""

    def at(self, minor: int) -> CheckPod | None:
        """The function that holds in a release, None before the first."""
        known = [version for version in self.since if version <= minor]
        return self.since[max(known)] if known else None


def _linux(check: CheckPod, since: int) -> Mapping[int, CheckPod]:
    return {since: check, 25: checks.unless_windows(check)}


CHECKS: Mapping[str, Check] = {
    "appArmorProfile": Check("baseline", {0: checks.app_armor}),
    "capabilities_baseline": Check("baseline", {0: checks.capabilities_baseline}),
    "hostNamespaces": Check("baseline", {0: checks.host_namespaces}),
    "hostPathVolumes": Check("baseline", {0: checks.host_path_volumes}),
    "hostPorts": Check("baseline", {0: checks.host_ports}),
    "hostProbesAndHostLifecycle": Check("baseline", {34: checks.host_probes}),
    "privileged": Check("baseline", {0: checks.privileged}),
    "procMount": Check("baseline", {0: checks.proc_mount, 35: checks.unless_own_users(checks.proc_mount)}),
    "seLinuxOptions": Check("baseline", {0: checks.se_linux, 31: checks.se_linux_31}),
    "seccompProfile_baseline": Check("baseline", {0: checks.seccomp_annotations, 19: checks.seccomp_baseline}),
    "sysctls": Check(
        "baseline", {0: checks.sysctls, 27: checks.sysctls_27, 29: checks.sysctls_29, 32: checks.sysctls_32}
    ),
    "windowsHostProcess": Check("baseline", {0: checks.windows_host_process}),
    "allowPrivilegeEscalation": Check("restricted", _linux(checks.privilege_escalation, 8)),
    "capabilities_restricted": Check("restricted", _linux(checks.capabilities_restricted, 22), "capabilities_baseline"),
    "procMount_restricted": Check("restricted", {35: checks.proc_mount}, "procMount"),
    "restrictedVolumes": Check("restricted", {0: checks.restricted_volumes}, "hostPathVolumes"),
    "runAsNonRoot": Check(
        "restricted", {0: checks.run_as_non_root, 35: checks.unless_own_users(checks.run_as_non_root)}
    ),
    "runAsUser": Check("restricted", {23: checks.run_as_user, 35: checks.unless_own_users(checks.run_as_user)}),
    "seccompProfile_restricted": Check("restricted", _linux(checks.seccomp_restricted, 19), "seccompProfile_baseline"),
}
"""By upstream's ids, which also say the order of the messages: those of baseline first, by id each."""


@lru_cache(256)
def checks_of(asked: LevelVersion) -> Sequence[CheckPod]:
    """The functions to ask, in order."""
    if asked.level == "privileged":
        return ()
    held = {name: check.at(asked.minor) for name, check in CHECKS.items()}
    if asked.level == "baseline":
        chosen = [name for name in CHECKS if CHECKS[name].level == "baseline"]
    else:
        included = {CHECKS[name].overrides for name, check in held.items() if check is not None}
        chosen = [name for name in CHECKS if name not in included]
    chosen.sort(key=lambda name: (CHECKS[name].level != "baseline", name))
    return [check for name in chosen if (check := held[name]) is not None]


def violations(asked: LevelVersion, metadata: Json, spec: Json) -> list[Violation]:
    """All that a level has against a pod."""
    found = (check(metadata, spec) for check in checks_of(asked))
    return [violation for violation in found if violation is not None]


def reasons(found: Sequence[Violation]) -> str:
    return ", ".join(violation.reason for violation in found)


def details(found: Sequence[Violation]) -> str:
    return ", ".join(map(str, found))
