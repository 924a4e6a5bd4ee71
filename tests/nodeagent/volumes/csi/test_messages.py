"""The messages are what other implementations of the interface write on the wire."""

import pytest

from nodeagent.volumes.csi.messages import csi, registration
from nodeagent.volumes.csi.mounting import access_mode


def test_publish_request_is_encoded_as_the_specification_numbers_its_fields() -> None:
    request = csi["NodePublishVolumeRequest"](
        volume_id="v",
        publish_context={"a": "b"},
        staging_target_path="/s",
        target_path="/t",
        volume_capability={"mount": {"fs_type": "ext4", "mount_flags": ["ro"]}, "access_mode": {"mode": 1}},
        readonly=True,
        secrets={"k": "s"},
        volume_context={"c": "d"},
    )
    assert request.SerializeToString(deterministic=True) == (
        b"\x0a\x01v"
        b"\x12\x06\x0a\x01a\x12\x01b"
        b"\x1a\x02/s"
        b"\x22\x02/t"
        b"\x2a\x10\x12\x0a\x0a\x04ext4\x12\x02ro\x1a\x02\x08\x01"
        b"\x30\x01"
        b"\x3a\x06\x0a\x01k\x12\x01s"
        b"\x42\x06\x0a\x01c\x12\x01d"
    )


def test_plugin_info_is_read_as_drivers_write_it() -> None:
    info = registration["PluginInfo"].FromString(b"\x0a\x09CSIPlugin\x12\x01n\x1a\x02/e\x22\x051.0.0\x22\x051.1.0")
    assert (info.type, info.name, info.endpoint) == ("CSIPlugin", "n", "/e")
    assert list(info.supported_versions) == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize(
    ("modes", "able", "mode"),
    [
        pytest.param(("ReadWriteOnce",), frozenset[int](), 1, id="once"),
        pytest.param(("ReadWriteOnce",), frozenset({5}), 7, id="once, several pods"),
        pytest.param(("ReadWriteOncePod",), frozenset({5}), 6, id="one pod"),
        pytest.param(("ReadOnlyMany",), frozenset[int](), 3, id="read by many"),
        pytest.param(("ReadWriteOnce", "ReadOnlyMany"), frozenset[int](), 4, id="one writes, many read"),
        pytest.param(("ReadWriteMany", "ReadWriteOnce"), frozenset[int](), 5, id="written by many"),
    ],
)
def test_access_modes_have_their_words_in_the_interface(
    modes: tuple[str, ...], able: frozenset[int], mode: int
) -> None:
    assert access_mode(modes, able) == mode
