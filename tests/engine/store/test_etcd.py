"""What only the etcd store can get wrong: members that die, answers that get lost, other writers, who may come in."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.pki import Pki
from engine.store.errors import ClaimTaken, Compacted, KeyExists, RevisionMismatch, StoreCorrupt, StoreUnavailable
from engine.store.etcd import EtcdStore
from engine.store.etcdaccess import EtcdAccess
from engine.store.protocol import Change
from engine.store.sealing import Sealing
from tests.engine.store.etcdserver import EtcdCluster, Member, etcd_cluster, free_ports

KEYS = {"key1": b"k" * 32}


@pytest.fixture
async def etcd(tmp_path: Path) -> AsyncIterator[EtcdCluster]:
    async with etcd_cluster(tmp_path / "etcd") as cluster:
        yield cluster


@contextlib.asynccontextmanager
async def opened(*endpoints: str, patience: float = 10, **options: object) -> AsyncIterator[EtcdStore]:
    access = EtcdAccess(endpoints=endpoints, patience=patience)
    store = await EtcdStore.open(access, prefix="/r/", **options)  # type: ignore[arg-type]
    try:
        yield store
    finally:
        await store.close()


def etcdctl(cluster: EtcdCluster, *arguments: str) -> str:
    command = ["etcdctl", "--endpoints", ",".join(cluster.endpoints), *arguments]
    return subprocess.run(
        command,
        env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
    ).stdout


class Relay:
    """Carries bytes to an etcd member; can hang up, and can lose the answers to what it still carries."""

    def __init__(self, member: Member) -> None:
        self._port = int(member.endpoint.rpartition(":")[2])
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._listen = free_ports(1)[0]
        self.endpoint = f"http://127.0.0.1:{self._listen}"
        self.loses_answers = False

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._listen)

    def hang_up(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, to_writer}
        try:
            await asyncio.gather(self._pump(reader, to_writer, False), self._pump(to_reader, writer, True))
        except OSError:
            pass
        finally:
            for one in (writer, to_writer):
                one.transport.abort()
                self._writers.discard(one)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        while data := await reader.read(65536):
            if answers and self.loses_answers:
                continue
            writer.write(data)
            await writer.drain()


@pytest.fixture
async def relay(etcd: EtcdCluster) -> AsyncIterator[Relay]:
    carrier = Relay(etcd.members[0])
    await carrier.start()
    yield carrier
    await carrier.stop()


async def test_any_member_may_die_and_come_back_while_writers_go_on(tmp_path: Path) -> None:
    async with etcd_cluster(tmp_path, 3) as cluster, opened(*cluster.endpoints, patience=30) as store:
        seen: list[Change] = []
        store.watch("/r/", store.revision, seen.append)
        acknowledged: dict[str, int] = {}
        stop = asyncio.Event()

        async def write(writer: int) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                key = f"/r/{writer}/{number}"
                acknowledged[key] = (await store.create(key, b"x")).revision

        writers = [asyncio.ensure_future(write(writer)) for writer in range(4)]

        async def some_more() -> None:
            enough = len(acknowledged) + 20
            async with asyncio.timeout(30):
                while len(acknowledged) < enough:
                    await asyncio.sleep(0.05)

        for member in cluster.members:
            await member.kill()
            await some_more()
            await member.start()
            await member.listening()
            await some_more()
        stop.set()
        await asyncio.gather(*writers)
        told = [change.revision for change in seen]
        assert told == sorted(set(told))
        assert {change.key: change.revision for change in seen if change.key in acknowledged} == acknowledged
        async with opened(*cluster.endpoints) as again:
            assert {r.key: r.revision for r in again.list("/r/").records} == acknowledged


async def test_watch_resumes_without_gap_or_repeat_when_its_connection_breaks(etcd: EtcdCluster, relay: Relay) -> None:
    async with opened(relay.endpoint) as store, opened(*etcd.endpoints) as other:
        seen: list[Change] = []
        store.watch("/r/", 0, seen.append)
        for number in range(40):
            await other.create(f"/r/{number}", b"x")
            if number % 10 == 5:
                relay.hang_up()
        await store.barrier()
        assert [change.key for change in seen] == [f"/r/{number}" for number in range(40)]


async def test_write_whose_answer_was_lost_is_found_to_be_done(etcd: EtcdCluster, relay: Relay) -> None:
    async with opened(relay.endpoint) as store, opened(*etcd.endpoints) as other:
        first = await store.create("/r/a", b"0")
        relay.loses_answers = True
        writing = asyncio.ensure_future(store.update("/r/a", b"1", first.revision))
        creating = asyncio.ensure_future(store.create("/r/b", b"new"))
        async with asyncio.timeout(5):
            while other.get("/r/b") is None or (seen := other.get("/r/a")) is None or seen.value != b"1":
                await asyncio.sleep(0.02)
        relay.loses_answers = False
        relay.hang_up()
        assert (await writing).revision == seen.revision
        assert (await creating).value == b"new"


async def test_write_that_another_overtook_is_refused_though_its_first_try_was_lost(
    etcd: EtcdCluster, relay: Relay
) -> None:
    async with opened(relay.endpoint) as store, opened(*etcd.endpoints) as other:
        first = await store.create("/r/a", b"0")
        await other.barrier()
        await relay.stop()
        writing = asyncio.ensure_future(store.update("/r/a", b"ours", first.revision))
        await asyncio.sleep(0.3)
        await other.update("/r/a", b"theirs", first.revision)
        await relay.start()
        with pytest.raises(RevisionMismatch):
            await writing
        await store.barrier()
        assert (store.get("/r/a") or first).value == b"theirs"


async def test_store_that_was_away_longer_than_etcd_remembers_tells_the_difference(
    etcd: EtcdCluster, relay: Relay
) -> None:
    async with opened(relay.endpoint) as store, opened(*etcd.endpoints) as other:
        kept, gone = await store.create("/r/kept", b"0"), await store.create("/r/gone", b"0")
        await other.barrier()
        seen: list[Change] = []
        store.watch("/r/", 0, seen.append)
        await relay.stop()
        for number in range(5):
            kept = await other.update("/r/kept", b"%d" % number, kept.revision)
        await other.delete("/r/gone", gone.revision)
        newest = await other.create("/r/new", b"0")
        await other.compact(newest.revision)
        await relay.start()
        await store.barrier()
        assert {c.key: c.after and c.after.value for c in seen} == {"/r/kept": b"4", "/r/gone": None, "/r/new": b"0"}
        assert [r.key for r in store.list("/r/").records] == ["/r/kept", "/r/new"]
        with pytest.raises(Compacted):
            store.watch("/r/", gone.revision, seen.append)


async def test_barrier_shows_what_others_wrote_and_is_not_held_up_by_foreign_keys(etcd: EtcdCluster) -> None:
    async with opened(*etcd.endpoints) as store, opened(*etcd.endpoints) as other:
        for number in range(20):
            record = await other.create(f"/r/{number}", b"x")
            await store.barrier()
            assert (store.get(f"/r/{number}") or record).revision == record.revision
            assert store.count("/r/") == number + 1
        etcdctl(etcd, "put", "/elsewhere", "x")
        async with asyncio.timeout(5):
            await store.barrier()
        assert store.count("/r/") == 20


async def test_two_stores_give_one_key_to_one_writer(etcd: EtcdCluster) -> None:
    async with opened(*etcd.endpoints) as store, opened(*etcd.endpoints) as other:
        answers = await asyncio.gather(store.create("/r/a", b"1"), other.create("/r/a", b"2"), return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["KeyExists", "Record"]
        with pytest.raises(KeyExists):
            await other.create("/r/a", b"3")


def _claims(_key: str, value: bytes) -> frozenset[str]:
    return frozenset(value.decode().split())


async def test_claims_are_held_by_one_key_until_it_lets_go(etcd: EtcdCluster) -> None:
    async with opened(*etcd.endpoints, claims=_claims) as store, opened(*etcd.endpoints, claims=_claims) as other:
        first = await store.create("/r/a", b"ip1 port1")
        with pytest.raises(ClaimTaken, match="port1"):
            await other.create("/r/b", b"ip2 port1")
        first = await store.update("/r/a", b"ip1", first.revision)
        second = await other.create("/r/b", b"ip2 port1")
        with pytest.raises(ClaimTaken):
            await store.update("/r/a", b"ip2", first.revision)
        await other.delete("/r/b", second.revision)
        await store.update("/r/a", b"ip2", first.revision)
        assert [record.key for record in store.list("/r/").records] == ["/r/a"]


async def test_old_revisions_are_forgotten_by_themselves(etcd: EtcdCluster) -> None:
    async with opened(*etcd.endpoints, compact_every=0.2) as store, opened(*etcd.endpoints, compact_every=0.2):
        record = await store.create("/r/a", b"0")
        first = record.revision

        def is_readable(revision: int) -> bool:
            try:
                etcdctl(etcd, "get", "/r/a", "--rev", str(revision))
            except subprocess.CalledProcessError as error:
                if "compacted" in error.stderr:
                    return False
                raise
            return True

        async with asyncio.timeout(10):
            while is_readable(first):
                record = await store.update("/r/a", b"x", record.revision)
                await asyncio.sleep(0.05)
        assert (store.get("/r/a") or record).value == b"x"


async def test_sealed_values_are_plain_in_memory_and_nowhere_in_etcd(etcd: EtcdCluster, tmp_path: Path) -> None:
    sealing = Sealing(KEYS, ("/r/secrets/",))
    async with opened(*etcd.endpoints, sealing=sealing) as store:
        await store.create("/r/secrets/a", b"hunter2-hunter2")
        await store.create("/r/configs/a", b"plain-as-day")
        await store.snapshot(tmp_path / "copy.db")
    assert b"hunter2" not in (tmp_path / "copy.db").read_bytes()
    on_disk = b"".join(file.read_bytes() for file in (tmp_path / "etcd").rglob("*") if file.is_file())
    assert b"plain-as-day" in on_disk
    assert b"hunter2" not in on_disk
    assert etcdctl(etcd, "get", "/r/secrets/a", "--print-value-only").startswith("k8s:enc:aesgcm:v1:key1:")
    async with opened(*etcd.endpoints, sealing=sealing) as again:
        found = again.get("/r/secrets/a")
        assert found is not None
        assert found.value == b"hunter2-hunter2"


async def test_trouble_is_told_while_etcd_is_away_and_forgotten_when_it_is_back(etcd: EtcdCluster) -> None:
    async with opened(*etcd.endpoints) as store:
        await store.create("/r/a", b"x")
        assert store.trouble == ""
        await etcd.members[0].kill()
        async with asyncio.timeout(10):
            while not store.trouble:
                await asyncio.sleep(0.1)
        assert etcd.endpoints[0] in store.trouble
        assert store.get("/r/a") is not None
        await etcd.members[0].start()
        async with asyncio.timeout(15):
            while store.trouble:
                await asyncio.sleep(0.1)
        await store.create("/r/b", b"x")


async def test_absent_etcd_is_named() -> None:
    endpoint = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(StoreUnavailable, match=rf"etcd at {endpoint} does not answer"):
        await EtcdStore.open(EtcdAccess(endpoints=(endpoint,), patience=0.5))


async def test_foreign_objects_are_refused_with_a_reason(etcd: EtcdCluster) -> None:
    etcdctl(etcd, "put", "/r/pods/a", "k8s-protobuf")

    def decorate(value: bytes, _revision: int) -> bytes:
        value.index(b"{")
        return value

    with pytest.raises(StoreCorrupt, match="/r/pods/a in etcd was not written by Pilothouse"):
        async with opened(*etcd.endpoints, decorate=decorate):
            pass


async def test_tls_with_a_client_certificate_and_user_with_password(tmp_path: Path) -> None:
    pki = Pki.ensure(tmp_path)
    certificate, key = pki.issue_client("etcd-client")
    (tmp_path / "client.crt").write_bytes(certificate)
    (tmp_path / "client.key").write_bytes(key)
    folder = pki.folder
    # The server certificate of an engine will do: it names 127.0.0.1.
    extra = (
        "--cert-file", str(folder / "server.crt"), "--key-file", str(folder / "server.key"),
        "--trusted-ca-file", str(folder / "ca.crt"), "--client-cert-auth",
    )  # fmt: skip
    async with etcd_cluster(tmp_path / "etcd", scheme="https", extra=extra) as cluster:
        files = {
            "ca_file": folder / "ca.crt", "cert_file": tmp_path / "client.crt", "key_file": tmp_path / "client.key",
        }  # fmt: skip
        tls = ("--cacert", str(files["ca_file"]), "--cert", str(files["cert_file"]), "--key", str(files["key_file"]))
        for command in (
            "user add root:secret", "user grant-role root root", "role add engine", "user add engine:pass:word",
            "role grant-permission engine --prefix=true readwrite /r/", "user grant-role engine engine", "auth enable",
        ):  # fmt: skip
            etcdctl(cluster, *tls, *command.split())
        access = EtcdAccess(endpoints=cluster.endpoints, **files, user="engine", password="pass:word")
        store = await EtcdStore.open(access, prefix="/r/")
        try:
            seen: list[Change] = []
            store.watch("/r/", 0, seen.append)
            record = await store.create("/r/a", b"x")
            # A token that etcd no longer knows is replaced on the way.
            store._client._token = "nonsense.1"
            await store.update("/r/a", b"y", record.revision)
            assert len(seen) == 2
        finally:
            await store.close()
        with pytest.raises(StoreUnavailable, match="invalid user ID or password"):
            await EtcdStore.open(EtcdAccess(endpoints=cluster.endpoints, **files, user="engine", password="no"))
        assert "pass:word" not in repr(access)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await EtcdStore.open(EtcdAccess(endpoints=cluster.endpoints, ca_file=files["ca_file"], patience=0.5))
