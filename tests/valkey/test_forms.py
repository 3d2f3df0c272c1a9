"""Every form of Valkey follows the contract of replay stores, like the store in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

import pytest

from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.testing import replay_store_contract
from hookkey_verify.valkey import ValkeyReplayStore
from hookkey_verify.verifier import ReplayStore

from ..valkeys import valkey_cluster, valkey_sentinel, valkey_server
from .load import LOADS, Claims

TIMEOUT = 2.0
"""Seconds: more than in production, because the machine that runs the tests may be busy."""
Make = Callable[[], ReplayStore]


@contextmanager
def _memory() -> Iterator[Make]:
    store = MemoryReplayStore(single_process=True)
    yield lambda: store


@contextmanager
def _valkey(form: str) -> Iterator[Make]:
    with ExitStack() as stack:
        if form == "single":
            url = stack.enter_context(valkey_server()).url
        elif form == "sentinel":
            url = stack.enter_context(valkey_sentinel(replicas=1)).url
        else:
            replicas = 1 if "wait" in form else 0
            url = stack.enter_context(valkey_cluster(replicas=replicas)).url
        wait = 1 if "wait" in form else 0
        yield lambda: ValkeyReplayStore(url, timeout=TIMEOUT, wait_replicas=wait)


FORMS: dict[str, Callable[[], AbstractContextManager[Make]]] = {
    "memory": _memory,
    "single": partial(_valkey, "single"),
    "cluster": partial(_valkey, "cluster"),
    "sentinel": partial(_valkey, "sentinel"),
    "cluster that waits": partial(_valkey, "cluster, wait"),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_the_contract(form: str) -> None:
    """The same suite passes with every form."""
    with FORMS[form]() as make:
        replay_store_contract(make, processes=form != "memory")


@pytest.mark.slow
@pytest.mark.parametrize("claim", LOADS)
def test_good_claims_on_a_cluster(claim: Claims) -> None:
    """A Cluster of three nodes refuses none of 10,000 claims; of 50 for one token, one wins."""
    with valkey_cluster() as cluster:
        store = ValkeyReplayStore(cluster.url, timeout=10)  # the machine may be busy
        for batch in range(100):
            answers = claim(store, [f"{batch} {number}" for number in range(100)])
            assert [each.result for each in answers] == [True] * 100
        racing = claim(store, ["one"] * 50)
        assert sorted(each.result for each in racing) == [False] * 49 + [True]
        used = [each.ask("DBSIZE") for each in cluster.processes]
        assert min(used) > 3000, "the records must be on all nodes"
        store.close()
