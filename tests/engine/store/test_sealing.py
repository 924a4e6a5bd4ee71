"""Values that the disk may not show."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.store.errors import StoreCorrupt
from engine.store.sealing import Sealing, format_keys, parse_keys
from engine.store.sqlite import SqliteStore

KEY1, KEY2 = {"key1": b"1" * 32}, {"key2": b"2" * 32}
PREFIXES = ("/r/secrets/",)
ONE = Sealing(KEY1, PREFIXES)
BOTH = Sealing({**KEY2, **KEY1}, PREFIXES)


@given(st.binary())
def test_sealed_value_comes_back(value: bytes) -> None:
    sealed = ONE.seal("/r/secrets/a", value)
    assert sealed.startswith(b"k8s:enc:aesgcm:v1:key1:")
    assert ONE.unseal("/r/secrets/a", sealed) == value


def test_other_keys_and_older_values_stay_as_they_are() -> None:
    assert ONE.seal("/r/configs/a", b"x") == b"x"
    assert ONE.unseal("/r/secrets/a", b"written before") == b"written before"
    assert not ONE.is_current("/r/secrets/a", b"written before")
    assert ONE.is_current("/r/configs/a", b"x")


def test_new_key_writes_and_old_key_still_reads() -> None:
    old = ONE.seal("/r/secrets/a", b"x")
    assert BOTH.unseal("/r/secrets/a", old) == b"x"
    assert not BOTH.is_current("/r/secrets/a", old)
    assert BOTH.seal("/r/secrets/a", b"x").startswith(b"k8s:enc:aesgcm:v1:key2:")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        pytest.param("/r/secrets/b", lambda sealed: sealed, id="moved to another key"),
        pytest.param("/r/secrets/a", lambda sealed: sealed[:-1] + bytes((sealed[-1] ^ 1,)), id="changed"),
        pytest.param("/r/secrets/a", lambda sealed: sealed[:-20], id="cut"),
        pytest.param("/r/secrets/a", lambda sealed: sealed.replace(b":key1:", b":key9:"), id="unknown key"),
    ],
)
def test_what_was_tampered_with_is_refused(key, change) -> None:
    sealed = ONE.seal("/r/secrets/a", b"a secret of some length")
    with pytest.raises(StoreCorrupt, match=key):
        ONE.unseal(key, change(sealed))


def test_unknown_key_is_looked_for_in_the_file_again() -> None:
    sealing = Sealing(KEY1, PREFIXES, lambda: {**KEY2, **KEY1})
    assert sealing.unseal("/r/secrets/a", BOTH.seal("/r/secrets/a", b"x")) == b"x"
    assert sealing.seal("/r/secrets/a", b"x").startswith(b"k8s:enc:aesgcm:v1:key2:")


def test_keys_come_back_from_their_file() -> None:
    assert list(parse_keys(format_keys({**KEY2, **KEY1})).items()) == [*KEY2.items(), *KEY1.items()]
    with pytest.raises(ValueError, match="line 2"):
        parse_keys(format_keys(KEY1) + "nonsense\n")


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_sqlite_file_never_holds_a_secret(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db", sealing=ONE)
    record = await store.create("/r/secrets/a", b"hunter2-hunter2")
    await store.update("/r/secrets/a", b"hunter3-hunter3", record.revision)
    await store.create("/r/configs/a", b"plain-as-day")
    await store.snapshot(tmp_path / "copy.db")
    held = store.get("/r/secrets/a")
    assert held is not None
    assert held.value == b"hunter3-hunter3"
    assert b"plain-as-day" in on_disk(tmp_path)
    assert b"hunter" not in on_disk(tmp_path)
    await store.close()
    assert b"hunter" not in on_disk(tmp_path)
    again = await SqliteStore.open(tmp_path / "store.db", sealing=ONE)
    found = again.get("/r/secrets/a")
    assert found is not None
    assert found.value == b"hunter3-hunter3"
    await again.close()


async def test_what_was_written_in_the_open_is_encrypted_when_the_store_opens(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db")
    first = await store.create("/r/secrets/a", b"hunter2-hunter2")
    await store.close()
    store = await SqliteStore.open(tmp_path / "store.db", sealing=ONE)
    held = store.get("/r/secrets/a")
    assert held is not None
    assert held.value == b"hunter2-hunter2"
    assert held.revision > first.revision
    await store.compact(held.revision)
    await store.snapshot(tmp_path / "copy.db")
    assert b"hunter2" not in (tmp_path / "copy.db").read_bytes()
    await store.close()


async def test_secrets_without_their_key_stop_the_start_with_a_reason(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store.db", sealing=ONE)
    await store.create("/r/secrets/a", b"x")
    await store.close()
    with pytest.raises(StoreCorrupt, match="put back the pki folder"):
        await SqliteStore.open(tmp_path / "store.db", sealing=Sealing(KEY2, PREFIXES))
