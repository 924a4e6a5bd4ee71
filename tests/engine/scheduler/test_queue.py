"""In which order pods are tried, and when again."""

from dataclasses import dataclass

from engine.scheduler.queue import SchedulingQueue


@dataclass(frozen=True)
class Entry:
    priority: int = 0


def queue_of(*keys: str) -> SchedulingQueue[Entry, str]:
    queue: SchedulingQueue[Entry, str] = SchedulingQueue()
    for number, key in enumerate(keys):
        queue.add(key, Entry(), float(number))
    return queue


def all_of(queue: SchedulingQueue[Entry, str]) -> list[str]:
    found: list[str] = []
    while (key := queue.pop()) is not None:
        found.append(key)
    return found


def test_important_pods_come_first_and_equal_ones_in_the_order_of_their_coming() -> None:
    queue = queue_of("a", "b")
    queue.add("urgent", Entry(10), 5.0)
    queue.add("c", Entry(), 6.0)
    assert all_of(queue) == ["urgent", "a", "b", "c"]


def test_back_off_doubles_from_one_second_to_ten() -> None:
    queue = queue_of("a")
    now, waits = 0.0, []
    for _ in range(6):
        assert queue.pop() == "a"
        queue.unschedulable("a", "full", now)
        queue.wake(lambda _: True, now)
        due = queue.tick(now)
        assert due is not None
        waits.append(due - now)
        now = due
        queue.tick(now)
    assert waits == [1, 2, 4, 8, 10, 10]


def test_pod_whose_back_off_is_over_is_tried_at_once() -> None:
    queue = queue_of("a")
    queue.pop()
    queue.unschedulable("a", "full", 0.0)
    queue.wake(lambda _: True, 5.0)
    assert queue.pop() == "a"


def test_only_those_are_woken_whom_it_may_help() -> None:
    queue = queue_of("a", "b", "c")
    for key, why in zip(all_of(queue), ("full", "taint", "full"), strict=True):
        queue.unschedulable(key, why, 0.0)
    asked: list[str] = []

    def helps(why: str) -> bool:
        asked.append(why)
        return why == "taint"

    assert queue.wake(helps, 50.0) == 1
    assert all_of(queue) == ["b"]
    assert sorted(asked) == ["full", "taint"]
    assert queue.sizes == (0, 0, 2)


def test_pod_that_nothing_helped_is_tried_again_after_five_minutes() -> None:
    queue = queue_of("a")
    queue.pop()
    queue.unschedulable("a", "full", 10.0)
    assert queue.tick(200.0) == 310.0
    assert queue.pop() is None
    queue.tick(310.0)
    assert queue.pop() == "a"


def test_pod_whose_binding_failed_backs_off_by_itself() -> None:
    queue = queue_of("a")
    queue.pop()
    queue.failed("a", 0.0)
    assert queue.tick(0.5) == 1.0
    assert queue.pop() is None
    queue.tick(1.0)
    assert queue.pop() == "a"


def test_pod_that_is_gone_is_not_tried() -> None:
    queue = queue_of("a", "b", "c")
    queue.remove("b")
    queue.pop()
    queue.unschedulable("a", "full", 0.0)
    queue.remove("a")
    queue.unschedulable("b", "full", 0.0)
    assert all_of(queue) == ["c"]
    assert queue.wake(lambda _: True, 0.0) == 0
    queue.remove("c")
    assert queue.sizes == (0, 0, 0)
    assert "c" not in queue


def test_pod_taken_out_of_turn_is_not_handed_out_again() -> None:
    queue = queue_of("a", "b")
    assert queue.take("b")
    assert not queue.take("b")
    assert all_of(queue) == ["a"]
