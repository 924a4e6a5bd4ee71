"""Making etcd forget: what is older than one interval, by one of the engines at a time.

Upstream's scheme (apiserver/pkg/storage/etcd3/compact.go): a key's version is the clock that all engines share. Who
moves it on in this interval compacts up to the revision that was the newest one interval ago.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from engine.store.errors import StoreError
from engine.store.etcdclient import EtcdClient, rpc

log = structlog.get_logger(__name__)


async def compact_regularly(client: EtcdClient, key: str, current: Callable[[], int], every: float) -> None:
    """For ever, each `every` seconds."""
    version, then = 0, 0
    while True:
        await asyncio.sleep(every)
        newest = current()
        try:
            moved, version = await _move_clock(client, key, version, newest)
            if moved and then:
                await client.compact(then)
                log.debug("compacted", revision=then)
        except StoreError as error:
            log.warning("etcd could not be compacted; trying again later", error=str(error))
        then = newest


async def _move_clock(client: EtcdClient, key: str, version: int, revision: int) -> tuple[bool, int]:
    """(whether it was us, the clock's new time)."""
    raw = key.encode()
    request = rpc.TxnRequest(
        compare=[rpc.Compare(key=raw, target=rpc.Compare.VERSION, result=rpc.Compare.EQUAL, version=version)],
        success=[rpc.RequestOp(request_put=rpc.PutRequest(key=raw, value=b"%d" % revision))],
        failure=[rpc.RequestOp(request_range=rpc.RangeRequest(key=raw))],
    )
    response = (await client.txn(request)).response
    if response.succeeded:
        return True, version + 1
    kvs = response.responses[0].response_range.kvs
    return False, kvs[0].version if kvs else 0
