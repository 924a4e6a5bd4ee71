"""Asks webhooks and policies about each write: mutating ones in order before validation, validating ones after it."""

from __future__ import annotations

import asyncio
import uuid

import structlog

from apimachinery.objects import patch_json
from apimachinery.objects.errors import InternalError
from apimachinery.objects.patch import PatchError
from engine.apiserver import stored, wire
from engine.apiserver.custom.table import CustomKinds
from engine.apiserver.dynamic import review, rules
from engine.apiserver.dynamic.calling import Caller, CallFailed
from engine.apiserver.guard import Write
from engine.apiserver.registry import catalog
from engine.apiserver.registry.kind import Json, Kind
from engine.store.protocol import Change, Store

log = structlog.get_logger(__name__)

_GROUP = "admissionregistration.k8s.io"


class Followed:
    """All objects of one kind, by name, as the store has them."""

    def __init__(self, store: Store, plural: str) -> None:
        kind = catalog.by_group_resource(_GROUP, plural)
        if kind is None:
            raise LookupError(f"{plural}.{_GROUP} is not served")
        self._prefix = kind.storage_prefix
        self._objects: dict[str, Json] = {}
        self.sorted: list[Json] = []
        self._subscription = store.watch(self._prefix, 0, self._on_change)
        for record in store.list(self._prefix).records:
            self._objects[record.key] = wire.decode(record)
        self._sort()

    def _on_change(self, change: Change) -> None:
        if change.after is None:
            self._objects.pop(change.key, None)
        else:
            self._objects[change.key] = wire.decode(change.after)
        self._sort()

    def _sort(self) -> None:
        self.sorted = [self._objects[key] for key in sorted(self._objects)]


class DynamicAdmission:
    """`idle` is true while nobody wants to be asked: then nothing here runs."""

    def __init__(self, store: Store, kinds: CustomKinds, caller: Caller | None = None) -> None:
        self._store = store
        self._kinds = kinds
        self.caller = caller or Caller()
        self._mutating = Followed(store, "mutatingwebhookconfigurations")
        self._validating = Followed(store, "validatingwebhookconfigurations")
        self._policies = Followed(store, "validatingadmissionpolicies")
        self._bindings = Followed(store, "validatingadmissionpolicybindings")

    @property
    def idle(self) -> bool:
        return not (self._mutating.sorted or self._validating.sorted or self._policies.sorted)

    async def mutate(self, write: Write) -> bool:
        """Let webhooks change `write.new` in place; whether one did. Raises StatusError for a refusal."""
        if not self._mutating.sorted or rules.exempt(write):
            return False
        called: list[tuple[Json, int]] = []
        changes = 0
        for webhook in _webhooks(self._mutating.sorted):
            changed = await self._ask_to_change(webhook, write)
            if changed is not None:
                changes += changed
                called.append((webhook, changes))
        for webhook, seen in called:
            # Who asked for it looks again at what others changed after it.
            if seen < changes and webhook.get("reinvocationPolicy") == "IfNeeded":
                changes += await self._ask_to_change(webhook, write) or 0
        return changes > 0

    async def connect(self, write: Write) -> None:
        """Judge a conversation before it begins; webhooks may change its options. Raises StatusError."""
        if not self.idle:
            await self.mutate(write)
            await self.validate(write)

    async def validate(self, write: Write) -> None:
        """Raises StatusError for a refusal."""
        if rules.exempt(write):
            return
        if self._policies.sorted and self._bindings.sorted:
            from engine.apiserver.dynamic.policies import judge

            judge(self._policies.sorted, self._bindings.sorted, write, self._parameters)
        if self._validating.sorted:
            await asyncio.gather(*(self._ask(webhook, write) for webhook in _webhooks(self._validating.sorted)))

    async def _ask_to_change(self, webhook: Json, write: Write) -> bool | None:
        """Whether the webhook changed the object; None when it was not asked."""
        answer = await self._ask(webhook, write)
        if answer is None:
            return None
        if not answer.patch or write.new is None:
            return False
        try:
            patched = patch_json.apply(write.new, answer.patch)
        except PatchError as error:
            raise InternalError(f"Internal error occurred: {error}") from error
        changed = patched != write.new
        write.new.clear()
        write.new.update(patched)
        return changed

    async def _ask(self, webhook: Json, write: Write) -> review.Answer | None:
        name: str = webhook["name"]
        try:
            if not self._wanted(webhook, write):
                return None
            uid = str(uuid.uuid4())
            version = next((one for one in webhook["admissionReviewVersions"] if one == "v1"), "v1beta1")
            timeout = float(webhook.get("timeoutSeconds") or 10)
            body = review.question(write, uid, version)
            answer = review.answer_of(await self.caller.post(webhook["clientConfig"], body, timeout), uid)
        except (CallFailed, review.BadAnswer, _ConditionFailed) as error:
            if webhook.get("failurePolicy") == "Ignore":
                log.warning("webhook failed; going on without it", webhook=name, error=str(error))
                return None
            raise InternalError(f'Internal error occurred: failed calling webhook "{name}": {error}') from error
        write.context.warnings.extend(answer.warnings)
        if not answer.allowed:
            raise review.refusal(name, answer)
        return answer

    def _wanted(self, webhook: Json, write: Write) -> bool:
        if not rules.wanted(webhook, webhook.get("rules") or [], write):
            return False
        conditions: list[Json] = webhook.get("matchConditions") or []
        if not conditions:
            return True
        from engine.apiserver.cel.program import CelError
        from engine.apiserver.dynamic.policies import conditions_hold, variables_of

        try:
            return conditions_hold(conditions, variables_of(write))
        except CelError as error:
            raise _ConditionFailed(str(error)) from error

    def _parameters(self, wanted: Json, reference: Json, namespace: str) -> list[Json]:
        """The objects that a binding's paramRef names."""
        group, _, version = str(wanted.get("apiVersion", "")).rpartition("/")
        found = (k for k in self._kinds.kinds() if (k.group, k.version, k.kind) == (group, version, wanted.get("kind")))
        kind: Kind | None = next(found, None)
        if kind is None:
            return []
        where = reference.get("namespace") or namespace
        if reference.get("name"):
            record = self._store.get(kind.key(where, reference["name"]))
            return [stored.read(kind, record)] if record is not None else []
        from engine.apiserver.registry.labelselector import matches

        prefix = f"{kind.storage_prefix}{where}/" if kind.namespaced else kind.storage_prefix
        objects = (stored.read(kind, record) for record in self._store.list(prefix).records)
        return [o for o in objects if matches(reference.get("selector"), o["metadata"].get("labels") or {})]


class _ConditionFailed(Exception):
    """A match condition cannot be judged."""


def _webhooks(configurations: list[Json]) -> list[Json]:
    return [webhook for configuration in configurations for webhook in configuration.get("webhooks") or ()]
