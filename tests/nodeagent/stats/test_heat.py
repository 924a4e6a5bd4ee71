"""Temperatures and throttling, from a tree of files as a Raspberry Pi and a computer with disks have it."""

from pathlib import Path

import pytest

from nodeagent.stats.heat import heat
from nodeagent.stats.summary import Summary


def put(sys: Path, **files: str) -> None:
    for name, text in files.items():
        path = sys / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def test_a_raspberry_pi_tells_its_heat_and_that_it_is_slowed_down(tmp_path: Path) -> None:
    put(tmp_path, class__thermal__thermal_zone0__type="cpu-thermal", class__thermal__thermal_zone0__temp="81234",
        class__thermal__thermal_zone0__trip_point_0_type="critical",
        class__thermal__thermal_zone0__trip_point_0_temp="110000")  # fmt: skip
    firmware = tmp_path / "devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("50005\n")
    assert heat(tmp_path) == {
        "temperatures": [{"name": "cpu-thermal", "celsius": 81.234, "critical": 110.0}],
        "throttling": {"now": ["under-voltage", "throttled"], "sinceBoot": ["under-voltage", "throttled"]},
    }


def test_chips_of_disks_and_processors_are_named(tmp_path: Path) -> None:
    put(tmp_path, class__hwmon__hwmon0__name="nvme", class__hwmon__hwmon0__temp1_input="45850",
        class__hwmon__hwmon0__temp1_label="Composite", class__hwmon__hwmon0__temp1_crit="84850",
        class__hwmon__hwmon1__name="coretemp", class__hwmon__hwmon1__temp2_input="51000")  # fmt: skip
    assert heat(tmp_path)["temperatures"] == [
        {"name": "nvme Composite", "celsius": 45.85, "critical": 84.85},
        {"name": "coretemp", "celsius": 51.0},
    ]


@pytest.mark.parametrize("text", ["", "oops", "-274000", "999999"])
def test_a_sensor_that_makes_no_sense_is_left_out(tmp_path: Path, text: str) -> None:
    put(tmp_path, class__thermal__thermal_zone0__type="x", class__thermal__thermal_zone0__temp=text)
    assert heat(tmp_path) == {}


def test_the_summary_has_it_on_the_machine(tmp_path: Path) -> None:
    put(tmp_path, class__thermal__thermal_zone0__type="x", class__thermal__thermal_zone0__temp="40000")
    node = Summary("m1", sys=tmp_path).build(0.0, [], [])["node"]
    assert node["temperatures"] == [{"name": "x", "celsius": 40.0}]
