"""A key waits for its own writes, for no others, and not for ever."""

from apimachinery.objects.meta import Object, ObjectMeta
from apimachinery.objects.resources import PODS, REPLICASETS, Resource
from engine.runtime.expectations import PATIENCE, Expectations, Written


class Shown:
    """Caches that show what the test says."""

    def __init__(self) -> None:
        self.revisions: dict[Resource, int] = {}
        self.objects: dict[str, Object] = {}

    def seen(self, resource: Resource) -> int:
        return self.revisions.get(resource, 0)

    def peek(self, _resource: Resource, key: str) -> Object | None:
        return self.objects.get(key)


def pod(uid: str = "u", *, going: bool = False) -> Object:
    deletion = "2026-01-01T00:00:00Z" if going else None
    return Object(metadata=ObjectMeta(name="p", namespace="default", uid=uid, deletion_timestamp=deletion))


def wrote(revision: int | None, resource: Resource = PODS) -> Written:
    return Written(resource=resource, namespace="default", name="p", uid="u", revision=revision)


def made() -> tuple[Shown, Expectations]:
    shown = Shown()
    return shown, Expectations(shown)  # pyright: ignore


def test_key_without_writes_is_settled() -> None:
    _, expectations = made()
    assert expectations.settled("k", 0)


def test_key_waits_until_the_cache_has_its_last_revision() -> None:
    shown, expectations = made()
    expectations.expect("k", [wrote(5), wrote(9)], 0)
    shown.revisions[PODS] = 5
    assert not expectations.settled("k", 0)
    assert expectations.woken(PODS, pod()) == []
    shown.revisions[PODS] = 9
    assert expectations.woken(PODS, pod()) == ["k"]
    assert expectations.settled("k", 0)


def test_each_kind_is_waited_for() -> None:
    shown, expectations = made()
    expectations.expect("k", [wrote(5), wrote(6, REPLICASETS)], 0)
    shown.revisions[PODS] = 100
    assert not expectations.settled("k", 0)
    shown.revisions[REPLICASETS] = 6
    assert expectations.settled("k", 0)


def test_deletion_shows_as_absence_a_mark_or_another_uid() -> None:
    for after in (None, pod(going=True), pod("other")):
        shown, expectations = made()
        shown.objects["default/p"] = pod()
        expectations.expect("k", [wrote(None)], 0)
        assert not expectations.settled("k", 0)
        shown.objects.pop("default/p")
        if after is not None:
            shown.objects["default/p"] = after
        assert expectations.woken(PODS, pod()) == ["k"]
        assert expectations.settled("k", 0)


def test_write_that_no_cache_ever_shows_is_not_waited_for_for_ever() -> None:
    _, expectations = made()
    expectations.expect("k", [wrote(5)], 0)
    assert not expectations.settled("k", PATIENCE)
    assert expectations.settled("k", PATIENCE + 0.1)


def test_other_keys_are_not_held_up() -> None:
    _, expectations = made()
    expectations.expect("k", [wrote(5)], 0)
    assert expectations.settled("other", 0)
