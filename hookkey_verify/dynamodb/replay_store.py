"""DynamoDBReplayStore shares in DynamoDB which tokens have been used.

One conditional PutItem claims a token. DynamoDB executes it atomically. It succeeds if there is no
record, if the record has expired (DynamoDB deletes it days later), or if it has the nonce of the
claim, so that a second attempt recognizes what the first one recorded.

DynamoDB has no clock for conditions, so it executes a request however late it arrives. The thread
that sent a request therefore deletes what it recorded after the claim was refused. If it never gets
the answer, or its process ends or is frozen, the record remains: a token that nothing accepted is
then refused as used (401) when it is sent again.

Anyone who can write to the table can only have valid tokens refused, but anyone who can delete from
it can have a token accepted again.
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import threading
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from .._runtime.bounded import call_within, in_thread
from .._runtime.clock import Clock, monotonic_clock, wall_clock
from .._runtime.event_loop import running_loop
from ..errors import (
    ConfigurationError,
    HookVerificationError,
    ReplayStoreConfigurationError,
    ReplayStoreUnavailableError,
)
from ..events import OnEvent
from ..replay.finding import Finding
from ..replay.health import ReplayHealth
from ..replay.record import kept_until, record_digest
from ..replay.remote import Attempt, RemoteClaims, WhenUnreachable, unreachable
from .clients import Clients
from .problems import code_of, explain
from .table_check import DEFINITION, EXPIRY, KEY, NONCE, check_table, enable_expiry

__all__ = ["DynamoDBReplayStore"]

CHECK_LIMIT = 10
"""Seconds for ``check`` and ``warm_up``."""
CREATE_LIMIT = 120
"""Seconds for ``create_table``; DynamoDB needs about 10."""

_CLAIMABLE = f"attribute_not_exists({KEY}) OR {EXPIRY} < :now OR {NONCE} = :nonce"


class _Claim:
    """One claim: the request that both attempts send, and whether it was recorded or refused."""

    __slots__ = ("_lock", "_recorded", "_refused", "digest", "nonce", "request")

    def __init__(self, table: str, digest: bytes, expires_at: float, now: float) -> None:
        self.digest = {"B": digest}
        self.nonce = {"B": secrets.token_bytes(16)}
        until = math.ceil(kept_until(expires_at, now))
        self.request = {
            "TableName": table,
            "Item": {KEY: self.digest, NONCE: self.nonce, EXPIRY: {"N": str(until)}},
            "ConditionExpression": _CLAIMABLE,
            "ExpressionAttributeValues": {
                ":now": {"N": str(math.floor(now))},
                ":nonce": self.nonce,
            },
        }
        self._lock = threading.Lock()
        self._recorded = self._refused = False

    def must_be_undone(self, *, recorded: bool = False, refused: bool = False) -> bool:
        """Note an outcome, and return whether DynamoDB has a record of a claim that was refused."""
        with self._lock:
            self._recorded |= recorded
            self._refused |= refused
            return self._recorded and self._refused


class DynamoDBReplayStore:
    """A ``ReplayStore`` for all workers, hosts and functions. Thread-safe; connects on first use.

    It needs a table, see ``create_table``. Keys are digests, from which no token can be derived.

    For example:

    >>> from hookkey_verify.dynamodb import DynamoDBReplayStore
    >>> store = DynamoDBReplayStore("used-tokens", region_name="eu-central-1")
    >>> store.health().status
    'healthy'
    """

    def __init__(
        self,
        table: str,
        *,
        client: Any = None,
        timeout: float = 0.5,
        when_unreachable: WhenUnreachable = "refuse",
        on_event: OnEvent | None = None,
        clock: Clock = wall_clock,
        **options: Any,
    ) -> None:
        """Create a store; it connects on first use.

        ``table``: the name or ARN of the table.
        ``client``: a DynamoDB client of boto3 of yours, whose retries and timeouts remain as they
            are. Default None: each process creates one without retries.
        ``timeout``: the time limit of one attempt, 0.01 to 10 seconds. A claim has two attempts at
            most, and 1.8 times this limit for both. The default 0.5 is enough for the TLS handshake
            of a first request, and both attempts fit into the 1.2 seconds of ``TokenEndpoint``.
        ``when_unreachable``: what happens to valid tokens while DynamoDB is unreachable. "refuse"
            (the default) answers 503, so that Okta may retry. "accept" does not detect replays
            meanwhile; it is logged and reported as the event ``replay_unchecked``. It applies to
            failed connections and time-outs, not to a server that answers with an error.
        ``on_event``: a function that takes events. Default None.
        ``clock``: a function that returns epoch seconds. Default: ``time.time``.
        ``options``: options of ``boto3.client``, such as ``region_name``. Not with ``client``.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._claims = RemoteClaims(
            type(self).__name__,
            explain,
            timeout=timeout,
            when_unreachable=when_unreachable,
            on_event=on_event,
        )
        self._clients = Clients(client, timeout=timeout, options=options)
        self._table = _checked_name(table)
        self._wall_clock = clock

    def __repr__(self) -> str:
        return f"DynamoDBReplayStore({self._table!r}, …)"  # options may contain a secret

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "a DynamoDBReplayStore may contain credentials and cannot be pickled or copied"
        )

    def create_table(self) -> None:
        """Create the table unless it exists, and enable its time to live. Takes about 10 seconds,
        and at most 120.

        Raises ``ReplayStoreUnavailableError`` or ``ReplayStoreConfigurationError``.
        """

        def create(client: Any) -> None:
            try:
                client.create_table(TableName=self._table, **DEFINITION)
            except ClientError as error:
                if code_of(error) != "ResourceInUseException":
                    raise
            waiter = client.get_waiter("table_exists")
            waiter.wait(TableName=self._table, WaiterConfig={"Delay": 1, "MaxAttempts": 100})
            enable_expiry(client, self._table)

        self._ask(CREATE_LIMIT, create)

    def warm_up(self) -> None:
        """Create the client, load credentials and open a connection, for at most 10 seconds.

        Call it while a Lambda function initializes, because the first claim would otherwise have to
        do this within its time limit. A record for one minute is written.

        Raises ``ReplayStoreUnavailableError`` or ``ReplayStoreConfigurationError``.
        """
        sample = self._claim("warm-up", secrets.token_hex(16), self._wall_clock())
        self._ask(CHECK_LIMIT, lambda client: client.put_item(**sample.request))

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._clients.close()

    async def aclose(self) -> None:
        """Do the same as ``close``."""
        self._clients.close()

    def claim(
        self, issuer: str, jti: str, expires_at: float, *, deadline: float | None = None
    ) -> bool:
        """Record a use and return True; return False if the token was used before. Atomic.

        ``issuer``, ``jti``: identify the token.
        ``expires_at``: until when the use is remembered, in epoch seconds.
        ``deadline``: a reading of ``time.monotonic`` by which the store must have answered. Default
            None: the limits of ``timeout``.

        Raises ``ReplayStoreUnavailableError`` if DynamoDB cannot answer in time, and
        ``ReplayStoreConfigurationError`` if it refuses the request.
        """
        claim = self._claim(issuer, jti, expires_at)
        try:
            return self._claims.run(lambda attempt: self._attempt(claim, attempt), deadline)
        except BaseException:
            self._refuse(claim)
            raise

    async def aclaim(
        self, issuer: str, jti: str, expires_at: float, *, deadline: float | None = None
    ) -> bool:
        """Do the same as ``claim`` without blocking the event loop, which must be asyncio's.

        boto3 is synchronous, so requests run in threads of the store, at most 32 per process.
        """
        running_loop()
        claim = self._claim(issuer, jti, expires_at)
        try:
            return await self._claims.arun(lambda attempt: self._aattempt(claim, attempt), deadline)
        except BaseException:
            self._refuse(claim)
            raise

    def health(self) -> ReplayHealth:
        """Return the condition of the store as this process knows it, without asking DynamoDB."""
        return self._claims.health()

    def check(self) -> list[Finding]:
        """Ask for settings of the table, and try what claims need.

        A record is written and deleted.
        """

        def ask() -> list[Finding]:
            with self._clients.client(CHECK_LIMIT) as client:
                return [*check_table(client, self._table), self._check_permissions(client)]

        try:
            return call_within(CHECK_LIMIT, ask)
        except Exception as error:
            return [Finding("replay store", "failed", explain(error).text)]

    def _check_permissions(self, client: Any) -> Finding:
        sample = self._claim("check", secrets.token_hex(16), self._wall_clock())
        try:
            client.put_item(**sample.request)
            self._delete(client, sample)
        except Exception as error:
            return Finding("permissions", "failed", explain(error).text)
        return Finding("permissions", "ok", "a claim is possible")

    def _claim(self, issuer: str, jti: str, expires_at: float) -> _Claim:
        return _Claim(self._table, record_digest(issuer, jti), expires_at, self._wall_clock())

    def _ask(self, limit: float, ask: Any) -> Any:
        """Return what a function of a client returns, or raise an error of claims."""

        def call() -> Any:
            with self._clients.client(limit) as client:
                return ask(client)

        try:
            return call_within(limit, call)
        except TimeoutError as error:
            problem = unreachable(error)
        except Exception as error:
            problem = explain(error)
        refusal: type[HookVerificationError] = ReplayStoreUnavailableError
        if problem.kind == "misconfigured":
            refusal = ReplayStoreConfigurationError
        raise refusal(problem.text)

    # --- one attempt

    def _attempt(self, claim: _Claim, attempt: Attempt) -> bool:
        with self._clients.client(attempt.seconds, fresh=attempt.number > 1) as client:
            if monotonic_clock() >= attempt.end:
                raise TimeoutError
            try:
                client.put_item(**claim.request)
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return False
                raise
            if claim.must_be_undone(recorded=True):
                self._undo(client, claim)
            return True

    async def _aattempt(self, claim: _Claim, attempt: Attempt) -> bool:
        return await asyncio.wrap_future(in_thread(self._attempt, claim, attempt))

    # --- a claim that was refused

    def _refuse(self, claim: _Claim) -> None:
        if claim.must_be_undone(refused=True):  # the first attempt's answer arrived too late
            in_thread(self._undo_later, claim)

    def _undo_later(self, claim: _Claim) -> None:
        with self._clients.client(CHECK_LIMIT) as client:
            self._undo(client, claim)

    def _undo(self, client: Any, claim: _Claim) -> None:
        with suppress(Exception):  # such as a lost connection: the record remains
            self._delete(client, claim)

    def _delete(self, client: Any, claim: _Claim) -> None:
        client.delete_item(
            TableName=self._table,
            Key={KEY: claim.digest},
            ConditionExpression=f"{NONCE} = :nonce",
            ExpressionAttributeValues={":nonce": claim.nonce},
        )


_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}|arn:[!-~]{1,1000}", re.ASCII)


def _checked_name(table: str) -> str:
    if not isinstance(table, str) or not _NAME.fullmatch(table):
        raise ConfigurationError(
            "table must be the name of a DynamoDB table (3 to 255 letters, digits, _, . and -), or "
            "its ARN"
        )
    return table
