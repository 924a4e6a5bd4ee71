"""Who may do what, worked out from roles and bindings as the server does (pkg/registry/rbac/validation). Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tui.permissions import Rule

JSON = dict[str, Any]
VERBS = ("get", "list", "watch", "create", "patch", "update", "delete", "deletecollection")
MANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """`kind` is User, Group or ServiceAccount; `groups` are those that a user or account is in."""

    kind: str
    name: str
    namespace: str = ""

    @property
    def groups(self) -> frozenset[str]:
        if self.kind == "ServiceAccount":
            return frozenset(
                {"system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"}
            )
        return frozenset({"system:authenticated"} if self.kind == "User" else {self.name})

    @property
    def words(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One rule that a binding gives. `namespace` "" is everywhere."""

    rule: Rule
    role: str
    binding: str
    namespace: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All that grants anything: roles by (namespace, name), "" for ClusterRoles, and the bindings."""

    roles: dict[tuple[str, str], tuple[Rule, ...]]
    bindings: tuple[JSON, ...]

    def grants(self) -> Iterable[tuple[JSON, Grant]]:
        """(subject as the binding has it, grant), for everybody."""
        for binding in self.bindings:
            namespace = (binding.get("metadata") or {}).get("namespace", "")
            reference = binding.get("roleRef") or {}
            where = namespace if reference.get("kind") == "Role" else ""
            name = binding["metadata"]["name"]
            for subject in binding.get("subjects") or ():
                for rule in self.roles.get((where, reference.get("name", "")), ()):
                    words = f"{reference.get('kind')}/{reference.get('name')}"
                    yield (
                        subject,
                        Grant(rule=rule, role=words, binding=name, namespace=namespace, subject=said(subject)),
                    )

    def of(self, subject: Subject) -> list[Grant]:
        return [grant for bound, grant in self.grants() if _is(bound, subject)]

    def who_can(self, verb: str, group: str, resource: str, namespace: str, name: str = "") -> list[Grant]:
        """Grants that cover it, everywhere or in this namespace; one per subject and binding."""
        found: dict[tuple[str, str, str], Grant] = {}
        for _, grant in self.grants():
            if grant.namespace not in ("", namespace):
                continue
            if grant.rule.covers(verb, group, resource, name):
                found.setdefault((grant.subject, grant.binding, grant.namespace), grant)
        return list(found.values())


def policy(roles: Iterable[JSON], bindings: Sequence[JSON]) -> Policy:
    by_name: dict[tuple[str, str], tuple[Rule, ...]] = {}
    for role in roles:
        meta = role["metadata"]
        by_name[meta.get("namespace", ""), meta["name"]] = tuple(rule_of(one) for one in role.get("rules") or ())
    return Policy(roles=by_name, bindings=tuple(bindings))


def rule_of(rule: JSON) -> Rule:
    return Rule(
        verbs=tuple(rule.get("verbs") or ()),
        api_groups=tuple(rule.get("apiGroups") or ()),
        resources=tuple(rule.get("resources") or ()),
        resource_names=tuple(rule.get("resourceNames") or ()),
    )


def parse_subject(text: str) -> Subject | None:
    """`u:ann`, `g:devs`, `s:shop/till` (or `s:shop:till`), as k9s has it; None when it is neither."""
    kind, colon, name = text.partition(":")
    if not colon or not name:
        return None
    match kind.lower():
        case "u" | "user":
            return Subject(kind="User", name=name)
        case "g" | "group":
            return Subject(kind="Group", name=name)
        case "s" | "sa" | "serviceaccount":
            namespace, _, account = name.replace(":", "/").rpartition("/")
            return Subject(kind="ServiceAccount", name=account, namespace=namespace or "default")
        case _:
            return None


def said(subject: JSON) -> str:
    name, namespace = subject.get("name", ""), subject.get("namespace", "")
    return f"{subject.get('kind', '')} {namespace + '/' if namespace else ''}{name}"


def _is(bound: JSON, subject: Subject) -> bool:
    kind, name = bound.get("kind"), bound.get("name", "")
    if kind == "Group":
        return name in subject.groups
    if kind != subject.kind:
        # A ServiceAccount is also a user, by its long name.
        return (
            kind == "User"
            and subject.kind == "ServiceAccount"
            and name == f"system:serviceaccount:{subject.namespace}:{subject.name}"
        )
    return name == subject.name and (kind != "ServiceAccount" or bound.get("namespace", "") == subject.namespace)


def marks(verbs: Iterable[str]) -> tuple[str, ...]:
    """A mark per verb of `VERBS`, and the other verbs after."""
    held = set(verbs)
    others = sorted(held - set(VERBS) - {MANY})
    return (*("✓" if MANY in held or verb in held else "" for verb in VERBS), " ".join(others))
