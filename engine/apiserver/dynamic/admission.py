"""Asks policies and webhooks about each write: mutating ones in order before validation, validating ones after it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import msgspec
import structlog

from apimachinery.objects import patch_json
from apimachinery.objects.errors import BadRequest, InternalError
from apimachinery.objects.patch import PatchError
from engine.apiserver.authz.attributes import Authorizer
from engine.apiserver.custom.converter import Converter
from engine.apiserver.custom.structural import copied
from engine.apiserver.custom.table import CustomKinds
from engine.apiserver.dynamic import policies, review, rules
from engine.apiserver.dynamic.calling import Caller, CallFailed
from engine.apiserver.dynamic.parameters import Parameters
from engine.apiserver.dynamic.policies import Failure, Invocation
from engine.apiserver.dynamic.rounds import Rounds
from engine.apiserver.guard import Write
from engine.apiserver.registry import catalog
from engine.apiserver.registry.kind import Json, Kind
from engine.apiserver.wire import decode
from engine.store.protocol import Change, Store

log = structlog.get_logger(__name__)

_GROUP = "admissionregistration.k8s.io"
Tidy = Callable[[Json], None]
"""Brings a changed object into stored form, in place."""


def as_it_is(_obj: Json) -> None:
    """Leave an object that has no stored form."""


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
            self._objects[record.key] = decode(record)
        self._sort()

    def _on_change(self, change: Change) -> None:
        if change.after is None:
            self._objects.pop(change.key, None)
        else:
            self._objects[change.key] = decode(change.after)
        self._sort()

    def _sort(self) -> None:
        self.sorted = [self._objects[key] for key in sorted(self._objects)]


class DynamicAdmission:
    """`idle` is true while nobody wants to be asked: then nothing here runs."""

    def __init__(
        self, store: Store, kinds: CustomKinds, authorizer: Authorizer, converter: Converter, caller: Caller
    ) -> None:
        self._kinds = kinds
        self._authorizer = authorizer
        self._converter = converter
        self.caller = caller
        self._parameters = Parameters(store, kinds, converter)
        self._mutating = Followed(store, "mutatingwebhookconfigurations")
        self._validating = Followed(store, "validatingwebhookconfigurations")
        self._policies = Followed(store, "validatingadmissionpolicies")
        self._bindings = Followed(store, "validatingadmissionpolicybindings")
        self._mutations = Followed(store, "mutatingadmissionpolicies")
        self._mutation_bindings = Followed(store, "mutatingadmissionpolicybindings")

    @property
    def idle(self) -> bool:
        return not (self._mutating.sorted or self._validating.sorted or self._policies.sorted or self._mutations.sorted)

    # Changing.

    async def mutate(self, write: Write, tidy: Tidy = as_it_is, readmit: Tidy = as_it_is) -> bool:
        """Let policies, then webhooks change `write.new` in place; whether one did. Raises StatusError for a refusal.

        `tidy` is called after each change, `readmit` before they are asked again about what others changed.
        """
        if not (self._mutating.sorted or self._mutations.sorted) or rules.exempt(write):
            return False
        by_policies, by_webhooks = Rounds(), Rounds()
        before = copied(write.new)
        await self._mutate_by_policies(write, by_policies, tidy)
        await self._mutate_by_webhooks(write, by_webhooks, tidy)
        if write.new is None or before == write.new:
            return False
        readmit(write.new)
        for rounds in (by_policies, by_webhooks):
            rounds.again(write.new)
        await self._mutate_by_policies(write, by_policies, tidy)
        await self._mutate_by_webhooks(write, by_webhooks, tidy)
        return True

    async def _mutate_by_policies(self, write: Write, rounds: Rounds, tidy: Tidy) -> None:
        if not (self._mutations.sorted and self._mutation_bindings.sorted):
            return
        from engine.apiserver.dynamic import mutating

        met, failures = await self._met(self._mutations, self._mutation_bindings, write)
        for invocation in met:
            await self._mutate_by(invocation, write, rounds, tidy, failures)
        rounds.left(write.new)
        if failures:
            raise mutating.refusal(write, failures)

    async def _mutate_by(
        self, invocation: Invocation, write: Write, rounds: Rounds, tidy: Tidy, failures: list[Failure]
    ) -> None:
        from engine.apiserver.cel.program import CelError
        from engine.apiserver.dynamic.environment import Environment
        from engine.apiserver.dynamic.mutating import CannotMutate, mutated

        spec: Json = invocation.policy["spec"]
        seen = await self._as(write, invocation.kind)
        environment = Environment(seen, self._authorizer, params=invocation.params)
        try:
            if not environment.conditions_hold(spec.get("matchConditions") or []):
                return
        except CelError as error:
            if invocation.fails:
                failures.append(Failure(invocation.policy, invocation.binding, str(error)))
            return
        if rounds.passes(invocation.key):
            return
        for mutation in spec.get("mutations") or ():
            if write.new is None or seen.new is None:
                break
            try:
                environment.define(spec.get("variables") or [])
                new = mutated(mutation, environment, seen.new, seen)
            except (CannotMutate, CelError) as error:
                if invocation.fails:
                    failures.append(Failure(invocation.policy, invocation.binding, str(error)))
                continue
            if new != seen.new:
                await self._take(write, new, invocation.kind, tidy)
                rounds.changed()
            seen = await self._as(write, invocation.kind)
            environment = Environment(seen, self._authorizer, params=invocation.params)
        rounds.asked(invocation.key, again=spec.get("reinvocationPolicy") == "IfNeeded")

    async def _mutate_by_webhooks(self, write: Write, rounds: Rounds, tidy: Tidy) -> None:
        for index, (configuration, webhook) in enumerate(_webhooks(self._mutating.sorted)):
            key = (configuration, webhook["name"])
            if rounds.passes(key):
                continue
            kind = await self._wanted(webhook, write)
            if kind is None:
                continue
            seen = await self._as(write, kind)
            changed = await self._ask_to_change(webhook, seen, write, f"round_{rounds.number}_index_{index}", tidy)
            note = {"configuration": configuration, "webhook": webhook["name"], "mutated": changed}
            name = f"mutation.webhook.admission.k8s.io/round_{rounds.number}_index_{index}"
            write.context.audit[name] = msgspec.json.encode(note).decode()
            if changed:
                rounds.changed()
            rounds.asked(key, again=webhook.get("reinvocationPolicy") == "IfNeeded")
        rounds.left(write.new)

    async def _ask_to_change(self, webhook: Json, seen: Write, write: Write, place: str, tidy: Tidy) -> bool:
        name: str = webhook["name"]
        answer = await self._ask(webhook, seen, f"failed-open.mutation.webhook.admission.k8s.io/{place}", mutating=True)
        if answer is None or not answer.patch:
            return False
        if seen.new is None:
            raise InternalError(
                f'Internal error occurred: admission webhook "{name}" attempted to modify the object, which is not'
                " supported for this operation"
            )
        try:
            patched = patch_json.apply(copied(seen.new), answer.patch)
        except PatchError as error:
            raise InternalError(f"Internal error occurred: {error}") from error
        if patched == seen.new:
            return False
        await self._take(write, patched, seen.kind, tidy)
        return True

    async def _take(self, write: Write, changed: Json, kind: Kind, tidy: Tidy) -> None:
        """Make what a hook left, which may be of another kind, the object of the write."""
        if write.new is None:
            return
        if kind is not write.kind and write.object_type is None:
            changed = await self._converter.between(kind, write.kind, changed)
        write.new.clear()
        write.new.update(changed)
        tidy(write.new)

    # Judging.

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
            await self._judge_by_policies(write)
        if self._validating.sorted:
            asked: list[Awaitable[object]] = []
            for index, (_, webhook) in enumerate(_webhooks(self._validating.sorted)):
                kind = await self._wanted(webhook, write)
                if kind is not None:
                    seen = await self._as(write, kind)
                    place = f"failed-open.validating.webhook.admission.k8s.io/round_0_index_{index}"
                    asked.append(self._ask(webhook, seen, place, mutating=False))
            await asyncio.gather(*asked)

    async def _judge_by_policies(self, write: Write) -> None:
        from engine.apiserver.dynamic.environment import Environment
        from engine.apiserver.dynamic.validating import Verdict

        met, failures = await self._met(self._policies, self._bindings, write)
        verdict = Verdict(write)
        verdict.misconfigured(failures)
        for invocation in met:
            seen = await self._as(write, invocation.kind)
            verdict.judge(invocation, Environment(seen, self._authorizer, params=invocation.params))
        verdict.close()

    # Both.

    async def _met(
        self, followed: Followed, bindings: Followed, write: Write
    ) -> tuple[list[Invocation], list[Failure]]:
        others = rules.equivalents(write.kind, self._kinds.kinds())
        return await policies.invocations(followed.sorted, bindings.sorted, write, others, self._parameters.find)

    async def _as(self, write: Write, kind: Kind) -> Write:
        """The write as another kind shows it."""
        if kind is write.kind or write.object_type is not None:
            return write
        new = None if write.new is None else await self._converter.between(write.kind, kind, write.new)
        old = None if write.old is None else await self._converter.between(write.kind, kind, write.old)
        return replace(write, kind=kind, new=new, old=old, requested=write.kind)

    async def _wanted(self, webhook: Json, write: Write) -> Kind | None:
        """The kind as which a webhook wants to be asked; None when it does not. Raises Forbidden."""
        kind = rules.wanted(webhook, write, rules.equivalents(write.kind, self._kinds.kinds()))
        conditions: list[Json] = webhook.get("matchConditions") or []
        if kind is None or not conditions:
            return kind
        from engine.apiserver.cel.program import CelError
        from engine.apiserver.dynamic.environment import Environment

        try:
            environment = Environment(await self._as(write, kind), self._authorizer)
            return kind if environment.conditions_hold(conditions) else None
        except CelError as error:
            if webhook.get("failurePolicy") == "Ignore":
                return None
            raise write.forbidden(str(error)) from error

    async def _ask(self, webhook: Json, write: Write, open_note: str, *, mutating: bool) -> review.Answer | None:
        """The webhook's answer; None when it failed and may."""
        name: str = webhook["name"]
        if write.context.dry_run and webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise BadRequest(f'admission webhook "{name}" does not support dry run')
        uid = str(uuid.uuid4())
        version = next((one for one in webhook["admissionReviewVersions"] if one in ("v1", "v1beta1")), "v1")
        timeout = float(webhook.get("timeoutSeconds") or 10)
        try:
            body = review.question(write, uid, version)
            content = await self.caller.post(webhook["clientConfig"], body, timeout)
            answer = review.answer_of(content, uid, version, mutating=mutating)
        except (CallFailed, review.BadAnswer) as error:
            if webhook.get("failurePolicy") == "Ignore":
                log.warning("webhook failed; going on without it", webhook=name, error=str(error))
                write.context.audit[open_note] = name
                return None
            raise InternalError(f'Internal error occurred: failed calling webhook "{name}": {error}') from error
        write.context.warnings.extend(answer.warnings)
        write.context.audit.update({f"{name}/{key}": value for key, value in answer.audit.items()})
        if not answer.allowed:
            raise review.refusal(name, answer)
        return answer


def _webhooks(configurations: Sequence[Json]) -> list[tuple[str, Json]]:
    """With the name of the configuration that each comes from."""
    return [
        (configuration["metadata"]["name"], webhook)
        for configuration in configurations
        for webhook in configuration.get("webhooks") or ()
    ]
