import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fleet.target import Target, parse, split_address


@pytest.mark.parametrize(
    ("text", "target"),
    [
        pytest.param("pi4", Target(host="pi4"), id="name"),
        pytest.param("pi@10.0.0.5", Target(host="10.0.0.5", user="pi"), id="user"),
        pytest.param("pi@10.0.0.5:2222", Target(host="10.0.0.5", user="pi", port=2222), id="user-and-port"),
        pytest.param("[fd00::1]:22", Target(host="fd00::1", port=22), id="ipv6-with-port"),
        pytest.param("root@fd00::1", Target(host="fd00::1", user="root"), id="ipv6-bare"),
        pytest.param("pi@[fe80::1%eth0]:22", Target(host="fe80::1%eth0", user="pi", port=22), id="ipv6-zone"),
    ],
)
def test_a_target_is_read_as_ssh_reads_it(text: str, target: Target) -> None:
    assert parse(text) == target


@pytest.mark.parametrize(
    "text", ["", "a b", "@host", "host:", "host:0", "host:70000", "-oProxyCommand=x", "a@-b", "h:p"]
)
def test_what_is_no_target_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not \[USER@\]HOST\[:PORT\]|port must be"):
        parse(text)


@given(st.from_regex(r"\A[a-z][a-z0-9.-]{0,20}\Z"), st.integers(1, 65535))
def test_a_target_survives_writing_and_reading(host: str, port: int) -> None:
    target = Target(host=host, user="u", port=port)
    assert parse(str(target)) == target
    assert split_address(target.address) == (host, port)
