"""How long failed daemon pods stay."""

from engine.controllers.daemonset.backoff import ReplacementBackoff

PLACE = ("uid", 1, "m1")


def test_each_further_failure_waits_twice_as_long_as_the_one_before() -> None:
    backoff = ReplacementBackoff()
    now = 100.0
    waits: list[float] = []
    for failure in range(13):
        wait = backoff.seconds_left(PLACE, f"pod-{failure}", now)
        waits.append(wait)
        now += wait
        assert backoff.seconds_left(PLACE, f"pod-{failure}", now) == 0
    assert waits[:5] == [0, 1, 2, 4, 8]
    assert waits[-1] == 900


def test_another_machine_or_template_starts_anew() -> None:
    backoff = ReplacementBackoff()
    assert [backoff.seconds_left(PLACE, f"pod-{n}", 0) for n in (1, 2)] == [0, 1]
    assert backoff.seconds_left(("uid", 2, "m1"), "pod-3", 0) == 0
    assert backoff.seconds_left(("uid", 1, "m2"), "pod-4", 0) == 0
