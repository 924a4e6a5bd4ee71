"""What a write to a pod, a workload or a namespace is answered because of Pod Security.

Source: k8s.io/pod-security-admission/admission/admission.go.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from apimachinery.objects.errors import Invalid
from engine.apiserver.admission.podsecurity.evaluation import details, reasons, violations
from engine.apiserver.admission.podsecurity.policy import PRIVILEGED, LevelVersion, Mode, Policy, labelled, policy_of
from engine.apiserver.guard import Write
from engine.apiserver.registry.kind import Json

_MOST_PODS = 3000
_SECONDS = 1.0
_AUDIT = "pod-security.kubernetes.io/"
_IGNORED = frozenset({"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"})
_TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "replicationcontrollers"): ("spec", "template"),
    ("", "podtemplates"): ("template",),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}


class Exemptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Who and what Pod Security does not look at."""

    usernames: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    runtime_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PodSecurity:
    """Judges writes from memory."""

    defaults: Policy = PRIVILEGED
    exemptions: Exemptions = field(default_factory=Exemptions)

    def check(self, write: Write) -> None:
        """Raises Forbidden for a pod, Invalid for a namespace's labels; warns and notes for all else."""
        resource = (write.kind.group, write.kind.plural)
        if write.new is None:
            return
        if resource == ("", "namespaces"):
            if not write.subresource:
                self._judge_namespace(write, write.new)
        elif resource == ("", "pods"):
            if write.subresource not in _IGNORED:
                self._judge_pod(write, write.new)
        elif resource in _TEMPLATES and not write.subresource:
            self._judge_template(write, write.new, _TEMPLATES[resource])

    # Namespaces.

    def _judge_namespace(self, write: Write, new: Json) -> None:
        labels = _labels(new)
        policy, errors = policy_of(labels, self.defaults)
        before, old_errors = PRIVILEGED, errors[:0]
        if write.old is not None:
            before, old_errors = policy_of(_labels(write.old), self.defaults)
        if errors and errors != old_errors:
            raise Invalid.of("Namespace", "", write.name, errors)
        name = new["metadata"].get("name", "")
        if write.old is None:
            if name in self.exemptions.namespaces:
                self._warn_exempt(write, name, policy, labels)
            return
        enforce, was = policy.enforce, before.enforce
        if enforce == was or enforce.level == "privileged":
            return
        if enforce.minor == was.minor and not enforce.stricter(was):
            return
        if name in self.exemptions.namespaces:
            self._warn_exempt(write, name, policy, labels)
            return
        write.context.warnings += self.pod_warnings(name, enforce, write.context.find("", "pods", name))

    def _warn_exempt(self, write: Write, name: str, policy: Policy, labels: Mapping[str, str]) -> None:
        defaults = self.defaults
        same = all(getattr(policy, mode).equivalent(getattr(defaults, mode)) for mode in ("enforce", "audit", "warn"))
        if policy.fully_privileged or same:
            return
        modes: list[tuple[Mode, LevelVersion]] = [
            ("enforce", policy.enforce), ("audit", policy.audit), ("warn", policy.warn),
        ]  # fmt: skip
        said = [f"{mode}={asked}" for mode, asked in modes if asked.level != "privileged" and labelled(labels, mode)]
        write.context.warnings.append(
            f'namespace "{name}" is exempt from Pod Security, and the policy ({", ".join(said)}) will be ignored'
        )

    def pod_warnings(self, namespace: str, enforce: LevelVersion, pods: list[Json]) -> list[str]:
        """What to say of pods that are there already and would not be let in again."""
        candidates = _one_of_each_owner(
            [pod for pod in pods if pod.get("spec", {}).get("runtimeClassName") not in self.exemptions.runtime_classes]
        )
        end = time.monotonic() + _SECONDS
        offenders: dict[str, list[str]] = {}
        checked = 0
        for pod in candidates[:_MOST_PODS]:
            found = violations(enforce, pod["metadata"], pod.get("spec") or {})
            checked += 1
            if found:
                offenders.setdefault(reasons(found), []).append(pod["metadata"]["name"])
            if time.monotonic() > end:
                break
        warnings: list[str] = []
        if checked < len(candidates):
            warnings.append(
                f"new PodSecurity enforce level only checked against the first {checked} of {len(candidates)}"
                " existing pods"
            )
        if offenders:
            warnings.append(
                f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{enforce}"'
            )
        return [*warnings, *sorted(f"{_some_pods(names)}: {reason}" for reason, names in offenders.items())]

    # Pods.

    def _judge_pod(self, write: Write, pod: Json) -> None:
        if self._exempt(write):
            return
        policy, errors = self._policy(write)
        if not errors and policy.fully_privileged:
            write.context.audit[f"{_AUDIT}enforce-policy"] = str(policy.enforce)
            return
        if write.old is not None and not _significant(pod["spec"], write.old["spec"]):
            return
        self._evaluate(write, policy, errors, pod["metadata"], pod["spec"], enforce=True)

    def _judge_template(self, write: Write, obj: Json, path: tuple[str, ...]) -> None:
        if self._exempt(write):
            return
        policy, errors = self._policy(write)
        if not errors and policy.warn.level == policy.audit.level == "privileged":
            return
        template: Json | None = obj
        for name in path:
            template = (template or {}).get(name)
        if template is not None:
            self._evaluate(
                write, policy, errors, template.get("metadata") or {}, template.get("spec") or {}, enforce=False
            )

    def _exempt(self, write: Write) -> bool:
        for what, value, exempt in (
            ("namespace", write.namespace, self.exemptions.namespaces),
            ("user", write.user.name, self.exemptions.usernames),
        ):
            if value in exempt:
                write.context.audit[f"{_AUDIT}exempt"] = what
                return True
        return False

    def _policy(self, write: Write) -> tuple[Policy, str]:
        namespace = write.context.lookup("", "namespaces", "", write.namespace) or {"metadata": {}}
        policy, errors = policy_of(_labels(namespace), self.defaults)
        return policy, ", ".join(map(str, errors)) if len(errors) < 2 else f"[{', '.join(map(str, errors))}]"

    def _evaluate(
        self, write: Write, policy: Policy, errors: str, metadata: Json, spec: Json, *, enforce: bool
    ) -> None:
        audit = write.context.audit
        if spec.get("runtimeClassName") and spec["runtimeClassName"] in self.exemptions.runtime_classes:
            audit[f"{_AUDIT}exempt"] = "runtimeClass"
            return
        if errors:
            audit[f"{_AUDIT}error"] = f"Failed to parse policy: {errors}"
        refused = ""
        if enforce:
            audit[f"{_AUDIT}enforce-policy"] = str(policy.enforce)
            found = violations(policy.enforce, metadata, spec)
            refused = details(found)
        noted = violations(policy.audit, metadata, spec)
        if noted:
            audit[f"{_AUDIT}audit-violations"] = f'would violate PodSecurity "{policy.audit}": {details(noted)}'
        if refused:
            raise write.forbidden(f'violates PodSecurity "{policy.enforce}": {refused}')
        warned = violations(policy.warn, metadata, spec)
        if warned:
            write.context.warnings.append(f'would violate PodSecurity "{policy.warn}": {details(warned)}')


def _labels(obj: Json) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _significant(new: Json, old: Json) -> bool:
    """Whether an update brings containers or images that were not judged yet."""
    for name in ("containers", "initContainers"):
        images = [container.get("image") for container in new.get(name) or ()]
        if images != [container.get("image") for container in old.get(name) or ()]:
            return True
    before = {container.get("name"): container.get("image") for container in old.get("ephemeralContainers") or ()}
    return any(
        one.get("name") not in before or before[one.get("name")] != one.get("image")
        for one in new.get("ephemeralContainers") or ()
    )


def _one_of_each_owner(pods: list[Json]) -> list[Json]:
    """Pods of one controller look alike: one of each first, the others after them."""
    first: list[Json] = []
    others: list[Json] = []
    owners: set[str] = set()
    for pod in pods:
        references: list[Json] = pod["metadata"].get("ownerReferences") or []
        owner = next((one.get("uid", "") for one in references if one.get("controller")), "")
        (others if owner and owner in owners else first).append(pod)
        owners.add(owner)
    return [*first, *others]


def _some_pods(names: list[str]) -> str:
    first, more = min(names), len(names) - 1
    if not more:
        return first
    return f"{first} (and {more} other {'pod' if more == 1 else 'pods'})"
