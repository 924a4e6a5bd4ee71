"""Which images go when the disk is full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.cri.pause import IMAGE as PAUSE
from nodeagent.cri.types import Container, Image, State
from nodeagent.pods.imagegc import Disk, Known, Thresholds, choose, in_use, remember, to_free

NOW = 10_000.0
DEFAULTS = Thresholds(high=85, low=80)
OLD, STALE, USED, NEW = (Image(id=f"sha256:{name}", tags=(f"{name}:1",), size=10) for name in "abcd")
KNOWN = {
    OLD.id: Known(detected=0, used=0),
    STALE.id: Known(detected=0, used=500),
    USED.id: Known(detected=0, used=NOW),
    NEW.id: Known(detected=NOW - 60, used=0),
}


@pytest.mark.parametrize(
    ("available", "wanted"),
    [pytest.param(16, 0, id="below-high"), pytest.param(15, 5, id="at-high"), pytest.param(0, 20, id="full")],
)
def test_enough_is_freed_to_reach_the_low_threshold(available: int, wanted: int) -> None:
    assert to_free(Disk(capacity=100, available=available), DEFAULTS) == wanted


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        pytest.param(0, [], id="nothing-wanted"),
        pytest.param(1, [OLD], id="longest-unused-first"),
        pytest.param(11, [OLD, STALE], id="as-many-as-needed"),
        pytest.param(1000, [OLD, STALE], id="never-those-in-use-or-new"),
    ],
)
def test_images_go_by_how_long_nobody_used_them(wanted: int, chosen: list[Image]) -> None:
    assert choose([NEW, USED, STALE, OLD], KNOWN, wanted, NOW) == chosen


def test_pinned_images_stay() -> None:
    pause = Image(id="sha256:p", size=1, pinned=True)
    assert choose([pause], {pause.id: Known(detected=0, used=0)}, 100, NOW) == []


def test_an_image_in_use_is_remembered_as_used_now_and_one_that_went_is_forgotten() -> None:
    known = remember(KNOWN, [OLD, STALE], {OLD.id}, NOW)
    assert known == {OLD.id: Known(detected=0, used=NOW), STALE.id: KNOWN[STALE.id]}


@pytest.mark.parametrize("name", ["sha256:a", "a:1"])
def test_ended_containers_use_their_images_too(name: str) -> None:
    ran = Container(id="c", sandbox_id="s", name="main", uid="u", attempt=0, state=State.EXITED, image_ref=name)
    assert in_use([OLD, STALE], [ran]) == {OLD.id}


@given(st.integers(100, 10**12), st.floats(0, 1))
def test_after_freeing_what_is_asked_the_disk_is_at_most_at_the_low_threshold(capacity: int, share: float) -> None:
    disk = Disk(capacity=capacity, available=int(capacity * share))
    freed = Disk(capacity=capacity, available=disk.available + to_free(disk, DEFAULTS))
    assert freed.percent < DEFAULTS.high


def test_the_pause_image_is_always_in_use() -> None:
    pause = Image(id="sha256:p", tags=(PAUSE,), size=1)
    assert in_use([OLD, pause], []) == {pause.id}
