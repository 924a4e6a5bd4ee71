"""Roles and bindings as they stand, and what they allow a subject. Decisions come from memory.

The rules of a subject are gathered when it first asks, and each question is answered from a table after that, until a
role or a binding changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from engine.apiserver.authz.attributes import ALLOWED, NO_OPINION, Attributes, Decision
from engine.apiserver.authz.rules import PolicyRule, Rules
from engine.apiserver.authz.views import view
from engine.apiserver.registry.rbac.binding import CLUSTER_ROLE_BINDING, ROLE_BINDING
from engine.apiserver.registry.rbac.role import CLUSTER_ROLE, ROLE
from engine.apiserver.request import User
from engine.store.protocol import Change, Record, Store, Subscription

_ACCOUNT_PREFIX = "system:serviceaccount:"
# How many subjects, and questions of each, are remembered; all are forgotten when there are more.
_SUBJECTS = 4096
_QUESTIONS = 4096


class _Role(msgspec.Struct, frozen=True):
    rules: tuple[PolicyRule, ...] | None = None


class _Subject(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class RoleRef(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""


class _Binding(msgspec.Struct, frozen=True, rename="camel"):
    role_ref: RoleRef = RoleRef()
    subjects: tuple[_Subject, ...] | None = None

    def subject_of(self, user: User, namespace: str) -> str:
        """How this binding names the user, `User "jane"`; empty when it does not."""
        for subject in self.subjects or ():
            if subject.kind == "Group":
                if subject.name in user.groups:
                    return f'Group "{subject.name}"'
            elif subject.kind == "User":
                if subject.name == user.name:
                    return f'User "{subject.name}"'
            else:
                where = subject.namespace or namespace
                if where and user.name == f"{_ACCOUNT_PREFIX}{where}:{subject.name}":
                    return f'ServiceAccount "{subject.name}/{where}"'
        return ""


@dataclass(slots=True)
class Granted:
    """A rule that a subject has, and through what."""

    rule: PolicyRule
    through: str


# Names for which something is allowed; None: all names.
Names = frozenset[str] | None
_NOBODY: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Held:
    """What one subject has, and the questions that it has asked."""

    answers: dict[tuple[str, str, str, str], Names] = field(default_factory=dict[tuple[str, str, str, str], Names])
    paths: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    granted: dict[str, list[Granted]] = field(default_factory=dict[str, list[Granted]])
    missing: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


class Rbac:
    """Feed it a store with `follow`."""

    def __init__(self) -> None:
        self._roles: dict[tuple[str, str], Rules] = {}
        self._bindings: dict[str, dict[str, _Binding]] = {}
        self._held: dict[tuple[str, tuple[str, ...]], _Held] = {}

    def follow(self, store: Store) -> list[Subscription]:
        """Take in what is there and what changes from now on."""
        followed: list[Subscription] = []
        take_by_kind: Mapping[str, Callable[[str, Record | None], None]] = {
            ROLE.storage_prefix: self._take_role,
            CLUSTER_ROLE.storage_prefix: self._take_role,
            ROLE_BINDING.storage_prefix: self._take_binding,
            CLUSTER_ROLE_BINDING.storage_prefix: self._take_binding,
        }
        for prefix, take in take_by_kind.items():
            for record in store.list(prefix).records:
                take(record.key.removeprefix(prefix), record)
            followed.append(store.watch(prefix, 0, self._taker(prefix, take)))
        return followed

    def decide(self, asked: Attributes) -> Decision:
        """Allowed, or no opinion: roles never forbid."""
        held = self._of(asked.user)
        if not asked.resource:
            return ALLOWED if self._path_allowed(held, asked) else NO_OPINION
        question = (asked.verb, asked.group, asked.full_resource, asked.namespace)
        try:
            names = held.answers[question]
        except KeyError:
            names = self._answer(held, asked.user, question)
        if names is None or asked.name in names:
            return ALLOWED
        missing = self._missing(held, asked.namespace)
        return Decision(False, f"RBAC: {missing}") if missing else NO_OPINION

    def explain(self, asked: Attributes) -> str:
        """Through which binding this is allowed, in upstream's words; empty when it is not."""
        held = self._of(asked.user)
        for granted in self._granted(held, asked.user, asked.namespace if asked.resource else ""):
            rule = granted.rule
            if not asked.resource:
                if rule.allows_path(asked.verb, asked.path):
                    return f"RBAC: allowed by {granted.through}"
            elif rule.concerns(asked.verb, asked.group, asked.full_resource) and (
                not rule.resource_names or asked.name in rule.resource_names
            ):
                return f"RBAC: allowed by {granted.through}"
        return ""

    def rules(self, user: User, namespace: str) -> list[PolicyRule]:
        """All that the user has in a namespace, cluster-wide rules included."""
        return [granted.rule for granted in self._granted(self._of(user), user, namespace)]

    def role(self, namespace: str, reference: RoleRef) -> Rules | None:
        """The rules of the role that a binding in the namespace refers to; None when there is none."""
        return self._roles.get((namespace if reference.kind == "Role" else "", reference.name))

    # Taking in.

    def _taker(self, prefix: str, take: Callable[[str, Record | None], None]) -> Callable[[Change], None]:
        def changed(change: Change) -> None:
            take(change.key.removeprefix(prefix), change.after)
            self._held.clear()

        return changed

    def _take_role(self, key: str, record: Record | None) -> None:
        namespace, _, name = key.rpartition("/")
        if record is None:
            self._roles.pop((namespace, name), None)
        else:
            self._roles[namespace, name] = view(record.value, _Role).rules or ()

    def _take_binding(self, key: str, record: Record | None) -> None:
        namespace, _, name = key.rpartition("/")
        bindings = self._bindings.setdefault(namespace, {})
        if record is None:
            bindings.pop(name, None)
        else:
            bindings[name] = view(record.value, _Binding)

    # Looking up.

    def _of(self, user: User) -> _Held:
        key = (user.name, user.groups)
        held = self._held.get(key)
        if held is None:
            if len(self._held) >= _SUBJECTS:
                self._held.clear()
            held = self._held[key] = _Held()
        return held

    def _answer(self, held: _Held, user: User, question: tuple[str, str, str, str]) -> Names:
        verb, group, resource, namespace = question
        names: Names = _NOBODY
        for granted in self._granted(held, user, namespace):
            if granted.rule.concerns(verb, group, resource):
                if not granted.rule.resource_names:
                    names = None
                    break
                names = names.union(granted.rule.resource_names)
        if len(held.answers) >= _QUESTIONS:
            held.answers.clear()
        held.answers[question] = names
        return names

    def _path_allowed(self, held: _Held, asked: Attributes) -> bool:
        question = (asked.verb, asked.path)
        known = held.paths.get(question)
        if known is None:
            granted = self._granted(held, asked.user, "")
            known = any(one.rule.allows_path(asked.verb, asked.path) for one in granted)
            if len(held.paths) >= _QUESTIONS:
                held.paths.clear()
            held.paths[question] = known
        return known

    def _granted(self, held: _Held, user: User, namespace: str) -> Iterator[Granted]:
        yield from self._granted_in(held, user, "")
        if namespace:
            yield from self._granted_in(held, user, namespace)

    def _granted_in(self, held: _Held, user: User, namespace: str) -> list[Granted]:
        """What bindings of one namespace give, those of the cluster for the empty one."""
        known = held.granted.get(namespace)
        if known is not None:
            return known
        found: list[Granted] = []
        missing: list[str] = []
        for name, binding in sorted(self._bindings.get(namespace, {}).items()):
            subject = binding.subject_of(user, namespace)
            if not subject:
                continue
            reference = binding.role_ref
            rules = self.role(namespace, reference)
            if rules is None:
                missing.append(f'{reference.kind.lower()}.rbac.authorization.k8s.io "{reference.name}" not found')
                continue
            full_name = f'RoleBinding "{name}/{namespace}"' if namespace else f'ClusterRoleBinding "{name}"'
            through = f'{full_name} of {reference.kind} "{reference.name}" to {subject}'
            found += (Granted(rule, through) for rule in rules)
        held.granted[namespace] = found
        held.missing[namespace] = missing
        return found

    def _missing(self, held: _Held, namespace: str) -> str:
        """Roles that the subject's bindings name and that are not there."""
        texts = held.missing.get("", []) + (held.missing.get(namespace, []) if namespace else [])
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""
