"""Eight processes that post one assertion to their token endpoints at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from hookkey_verify import HookSigner, HookVerifier, StaticKeys, TokenEndpoint
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ASSERTION_TYPE
from hookkey_verify.verifier import ReplayStore

from .conftest import CLIENT_ID, TOKEN_URL

__all__ = ["POSTS", "PROCESSES", "statuses_of_one_assertion"]

FORM = {"content-type": "application/x-www-form-urlencoded"}
PROCESSES, POSTS = 8, 200


def statuses_of_one_assertion(make: Callable[[], ReplayStore], signer: HookSigner) -> list[int]:
    """Post one assertion ``POSTS`` times and return the statuses, sorted.

    ``make``: returns the store of a process. It must be picklable, such as a ``partial`` of the
        store's class.
    """
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
    form["client_assertion"] = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    body = urlencode(form).encode()
    context = multiprocessing.get_context("spawn")
    results, together = context.Queue(), context.Barrier(PROCESSES)
    arguments = (signer.public_jwk(), make, body, together, results)
    processes = [context.Process(target=_post, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    statuses = [status for _ in processes for status in results.get(timeout=120)]
    for process in processes:
        process.join(30)
    return sorted(statuses)


def _post(
    jwk: dict[str, str],
    make: Callable[[], ReplayStore],
    body: bytes,
    together: Any,
    results: Any,
) -> None:
    verifier = HookVerifier.for_client_assertion(
        StaticKeys.from_jwk(jwk), client_id=CLIENT_ID, token_url=TOKEN_URL, replay=make()
    )
    endpoint = TokenEndpoint(
        verifier, signing_key=SigningKey.generate(), issuer="i", audience="a", scopes=["hooks"]
    )
    together.wait(60)
    answers = [endpoint.respond("POST", FORM, body) for _ in range(POSTS // PROCESSES)]
    results.put([answer.status for answer in answers])
