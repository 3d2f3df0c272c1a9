"""ValkeyReplayStore shares which tokens have been used.

The server executes one script per claim, atomically. The script records the nonce of the claim, so
that a second attempt recognizes what the first one recorded. It records nothing after the claim's
deadline, because the claim has then been refused and the sender may have sent the token again. The
deadline is a reading of the server's clock, which each answer contains.

If a claim is refused because no answer came, a background thread deletes its record, unless the
store has a client of ``redis.asyncio``.

Anyone who can write to the store can only have valid tokens refused, but anyone who can delete from
it can have a token accepted again.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Generator
from logging import WARNING
from typing import Any, NamedTuple, TypeAlias

import redis

from .._arguments import whole_number
from .._runtime.bounded import in_thread
from .._runtime.clock import Clock, monotonic_clock, wall_clock
from .._runtime.event_loop import running_loop
from .._runtime.forking import PerProcess
from ..errors import ConfigurationError
from ..events import OnEvent, Reporter
from ..replay.finding import Finding
from ..replay.health import ReplayHealth
from ..replay.record import record_digest, seconds_to_keep
from ..replay.remote import Attempt, RemoteClaims, WhenUnreachable
from ..replay.server_clock import ServerClock
from .connections import Connections, node_of, prefix_of
from .problems import NoReplicasError, explain
from .server_check import check_server, check_settings

__all__ = ["ValkeyReplayStore"]


_LATE, _REPLAYED, _CLAIMED = -1, 0, 1
# KEYS: the record. ARGV: nonce, lifetime in ms, deadline in ms. A repeated claim writes again,
# because WAIT counts the replicas that have this connection's last write.
_CLAIM = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[3]) then return {-1, now} end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {1, now} end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0, now} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1, now}
"""
_UNDO = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


class _Command(NamedTuple):
    """A script and its arguments, and for how many milliseconds to WAIT for replicas."""

    script: str
    arguments: tuple[object, ...]
    wait: int = 0


_Exchange: TypeAlias = Generator[_Command, Any, bool]


class _Claim:
    """One claim: its record, and the nonce and lifetime that both attempts have in common."""

    __slots__ = ("lifetime", "name", "nonce")

    def __init__(self, name: str, lifetime: float) -> None:
        self.name = name
        self.nonce = secrets.token_bytes(16)
        self.lifetime = math.ceil(lifetime * 1000)


class ValkeyReplayStore:
    """A ``ReplayStore`` for all workers and hosts. Thread-safe; connects on first use.

    It needs Valkey, or Redis 6.2 and later. Record names are digests, from which no token can be
    derived.

    For example:

    >>> from hookkey_verify.valkey import ValkeyReplayStore
    >>> store = ValkeyReplayStore("valkeys://cache.acme.com:6379/0")  # connects at the first claim
    >>> store.health().status
    'healthy'
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Any = None,
        cluster: bool = False,
        prefix: str = "hookkey",
        timeout: float = 0.25,
        wait_replicas: int = 0,
        when_unreachable: WhenUnreachable = "refuse",
        on_event: OnEvent | None = None,
        clock: Clock = wall_clock,
        **options: Any,
    ) -> None:
        """Create a store; it connects on first use.

        ``url``: as in the table of ``hookkey_verify.valkey``. Not with ``client``.
        ``client``: a ``Redis`` or ``RedisCluster`` of yours, of ``redis`` or ``redis.asyncio``; the
            store does not close it. One of ``redis.asyncio`` only serves ``aclaim``, on the event
            loop that it belongs to. Default None.
        ``cluster``: True if ``url`` names a node of a Cluster without saying so. Default False.
        ``prefix``: the start of all record names, in printable ASCII. Default "hookkey".
        ``timeout``: the time limit of one attempt, 0.01 to 10 seconds, default 0.25. A claim has
            two attempts at most, and 1.8 times this limit for both.
        ``wait_replicas``: the number of replicas that must have a record before its token is
            accepted (WAIT), so that a failover to one of them cannot lose it. Default 0.
        ``when_unreachable``: what happens to valid tokens while the store is unreachable. "refuse"
            (the default) answers 503, so that Okta may retry. "accept" does not detect replays
            meanwhile; it is logged and reported as the event ``replay_unchecked``. It applies to
            failed connections and time-outs, not to a store that answers with an error.
        ``on_event``: a function that takes events. Default None.
        ``clock``: a function that returns epoch seconds. Default: ``time.time``.
        ``options``: options of ``redis.Redis``, such as ``ssl_ca_certs`` or
            ``credential_provider``; for Sentinel also ``sentinel_kwargs``.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._connections = Connections(
            url, client, cluster=cluster, timeout=timeout, options=options
        )
        self._prefix = prefix_of(prefix)
        self._replicas = whole_number("wait_replicas", wait_replicas, 0, 100)
        self._claims = RemoteClaims(
            type(self).__name__,
            explain,
            timeout=timeout,
            when_unreachable=when_unreachable,
            on_event=on_event,
        )
        self._wall_clock = clock
        self._clocks: dict[str, ServerClock] = {}
        self._checked: PerProcess[list[bool]] = PerProcess(list)

    def __repr__(self) -> str:
        return "ValkeyReplayStore(…)"  # a URL may contain a password

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "a ValkeyReplayStore may contain a password and cannot be pickled or copied"
        )

    def close(self) -> None:
        """Close the connections, except those of event loops. Idempotent."""
        self._connections.close()

    async def aclose(self) -> None:
        """Close the connections, also those of the running event loop. Idempotent."""
        await self._connections.aclose()

    def claim(
        self, issuer: str, jti: str, expires_at: float, *, deadline: float | None = None
    ) -> bool:
        """Record a use and return True; return False if the token was used before. Atomic.

        ``issuer``, ``jti``: identify the token.
        ``expires_at``: until when the use is remembered, in epoch seconds.
        ``deadline``: a reading of ``time.monotonic`` by which the store must have answered. Default
            None: the limits of ``timeout``.

        Raises ``ReplayStoreUnavailableError`` if the store cannot answer in time, and
        ``ReplayStoreConfigurationError`` if it refuses the command.
        """
        claim = self._claim(issuer, jti, expires_at)
        return self._claims.run(
            lambda attempt: self._attempt(claim, attempt),
            deadline,
            shard=self._connections.node(claim.name),
            undo=lambda: self._undo(claim),
        )

    async def aclaim(
        self, issuer: str, jti: str, expires_at: float, *, deadline: float | None = None
    ) -> bool:
        """Do the same as ``claim`` without blocking the event loop, which must be asyncio's."""
        running_loop()
        claim = self._claim(issuer, jti, expires_at)
        attempt = self._aattempt if self._connections.has_asyncio else self._attempt_in_thread
        return await self._claims.arun(
            lambda step: attempt(claim, step),
            deadline,
            shard=self._connections.node(claim.name),
            undo=None if self._connections.is_asyncio else lambda: self._undo(claim),
        )

    def health(self) -> ReplayHealth:
        """Return the condition of the store as this process knows it, without asking the server."""
        return self._claims.health()

    def check(self) -> list[Finding]:
        """Ask the servers for settings that can lose a used token, and try what claims need.

        A record for one second is written. Raises ``ConfigurationError`` if the store has a client
        of ``redis.asyncio``.
        """
        name = f"{self._prefix}:used:check:{secrets.token_hex(16)}"
        client = self._connections.client
        return check_server(
            "replay store",
            client,
            lambda: client().eval(_CLAIM, 1, name, "check", 1000, 2**52),
            self._replicas,
        )

    def _claim(self, issuer: str, jti: str, expires_at: float) -> _Claim:
        name = f"{self._prefix}:used:{record_digest(issuer, jti).hex()}"
        return _Claim(name, seconds_to_keep(expires_at, self._wall_clock()))

    # --- one attempt, in a thread and on an event loop

    def _attempt(self, claim: _Claim, attempt: Attempt) -> bool:
        client = self._connections.client(fresh=attempt.number > 1)
        exchange = self._exchange(claim, attempt, client)
        answer = None
        try:
            while True:
                answer = self._send(client, claim.name, exchange.send(answer))
        except StopIteration as stop:
            self._warn_once()
            return stop.value  # type: ignore[no-any-return]

    async def _aattempt(self, claim: _Claim, attempt: Attempt) -> bool:
        client = await self._connections.asyncio_client(fresh=attempt.number > 1)
        exchange = self._exchange(claim, attempt, client)
        answer = None
        try:
            while True:
                answer = await self._send(client, claim.name, exchange.send(answer))
        except StopIteration as stop:
            self._warn_once()
            return stop.value  # type: ignore[no-any-return]

    async def _attempt_in_thread(self, claim: _Claim, attempt: Attempt) -> bool:
        return await asyncio.wrap_future(in_thread(self._attempt, claim, attempt))

    def _exchange(self, claim: _Claim, attempt: Attempt, client: Any) -> _Exchange:
        """Yield commands, be sent their answers, and return whether the claim is the first one.

        A command is sent again if the server's clock was not known, or was set.
        """
        node = node_of(client, claim.name)
        if attempt.number > 1:  # the connection is a new one, perhaps to another server
            self._clocks.pop(node, None)
        server_clock = self._clocks.setdefault(node, ServerClock())
        verdict, replicas = _LATE, self._replicas
        while verdict == _LATE:
            sent = monotonic_clock()
            if sent >= attempt.end:
                raise TimeoutError
            until = int(server_clock.reading(attempt.end) * 1000)
            # Half of the time that is left; the rest is for the answer.
            wait = int((attempt.end - sent) * 500) if until and self._replicas else 0
            answer = yield _Command(_CLAIM, (claim.nonce, claim.lifetime, until), wait)
            (verdict, reading), *acknowledged = _checked(answer) if wait else [answer]
            replicas = acknowledged[0] if acknowledged else replicas
            server_clock.observe(sent, monotonic_clock(), reading / 1000)
        if verdict == _REPLAYED:
            return False
        if self._replicas and node_of(client, claim.name) != node:
            raise redis.ConnectionError  # the claim was redirected, and WAIT was not
        if replicas < self._replicas:  # a failover could lose the record
            raise NoReplicasError
        return True

    def _undo(self, claim: _Claim) -> None:
        """Delete what a refused claim may have recorded, so that its token can be sent again."""
        self._connections.client(fresh=True).eval(_UNDO, 1, claim.name, claim.nonce)

    def _send(self, client: Any, name: str, command: _Command) -> Any:
        """Send a command. Return the answer, or an awaitable of it from an asyncio client.

        WAIT follows on the same connection, because it is about that connection's writes.
        """
        arguments = (command.script, 1, name, *command.arguments)
        if not command.wait:
            return client.eval(*arguments)
        target: dict[str, Any] = {}
        if node_of(client, name):
            pipe = client.pipeline()
            target = {"target_nodes": client.get_node_from_key(name)}
        else:
            pipe = client.pipeline(transaction=False)
        pipe.execute_command("EVAL", *arguments)
        pipe.execute_command("WAIT", self._replicas, command.wait, **target)
        return pipe.execute(raise_on_error=False)

    def _warn_once(self) -> None:
        """Check the settings in the background after this process's first claim."""
        if self._checked():
            return
        self._checked().append(True)
        if not self._connections.is_asyncio:
            in_thread(self._warn)

    def _warn(self) -> None:
        report = Reporter(type(self).__name__, None)
        for finding in check_settings(self._connections.client(), self._replicas):
            if finding.result in ("warning", "failed"):
                report.log(WARNING, f"{report.source}, {finding.check}: {finding.detail}")


def _checked(answers: list[Any]) -> list[Any]:
    """Return the answers of a pipeline, or raise the first error with the server's text."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
