"""KeyRotation replaces a hook key without a gap, and can be continued after a crash.

It asks the org for the state before each step (``rotation_state``), so a run continues where
another one ended, also if that one was killed or runs at the same time. How a real org changes
``hookKeyId`` by PUT is not documented. Each change is therefore read back, and the rotation stops
if Okta did not make it. https://developer.okta.com/docs/guides/inline-hooks-key-management/
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, cast

from .._arguments import flag, function, seconds, texts
from .._jose.jwk import PublicKey
from .._runtime.clock import Clock, monotonic_clock, wall_clock
from ..errors import ConfigurationError, RotationStoppedError
from ..events import EventName
from .applications import ApplicationKeysClient, AsyncApplicationKeysClient
from .bridges import Bridges
from .client import AsyncHookKeysClient, HookKeysClient
from .http import check_url
from .inline_hooks import AsyncInlineHooksClient, InlineHooksClient
from .models import HookKey, InlineHook
from .org_client import in_thread, interruptible
from .rotation_reader import RotationReader
from .rotation_state import Choices, RotationState, Step, StepName, next_steps
from .rotation_work import RotationWork, WaitingFor

__all__ = ["AsyncKeyRotation", "KeyRotation", "RotationReport", "WaitingFor"]

MAX_REPEATS: Final = 5
"""How often a step may be necessary again because another client changes the org."""
_ASKED: Final = ("publish", "switch", "execute", "withdraw", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationReport:
    """How far a rotation is.

    For example:

    >>> from hookkey_verify.okta import RotationReport
    >>> RotationReport(finished=False, steps=(), key=None, waiting_for="hooks").waiting_for
    'hooks'
    """

    finished: bool
    steps: tuple[Step, ...]
    key: HookKey | None
    """The new key with its public key, which verifiers need; None before it exists."""
    waiting_for: WaitingFor = ""
    """Why the run ended: an administrator must switch the hooks, confirm that the verifiers have
    the key, or agree to a step; or the other key stays until ``run_again_at``."""
    run_again_at: datetime | None = None
    notes: tuple[str, ...] = ()
    """What an administrator should know or do, in words."""


class KeyRotation:
    """Replaces a hook key and switches all hooks that use it. Not thread-safe.

    Only this org is changed: the keys (okta.inlineHooks.manage), the hooks
    (okta.inlineHooks.manage) and, if ``applications`` is given, the keys of the applications that
    the hooks use at an Okta authorization server (okta.apps.manage).

    For example:

    >>> from hookkey_verify.okta import ApiToken, HookKeysClient, InlineHooksClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta:
    ...     org = okta.url, ApiToken(okta.api_token)
    ...     old = okta.create_key("Token hook")
    ...     with HookKeysClient(*org) as keys, InlineHooksClient(*org) as hooks:
    ...         report = keys.rotation("Token hook", hooks, keep=0).run()
    ...         report.finished, [key.name for key in keys.list()]
    (True, ['Token hook'])
    """

    def __init__(
        self,
        keys: HookKeysClient,
        hooks: InlineHooksClient | None,
        name: str,
        *,
        applications: ApplicationKeysClient | None = None,
        successor: str | None = None,
        bridges: Collection[str] = (),
        verifiers_ready: bool | Callable[[PublicKey, list[InlineHook]], bool] = False,
        keep: float = 3600,
        wait: bool = False,
        finish: bool = False,
        again: bool = False,
        payload_for: Callable[[InlineHook], Mapping[str, Any]] | None = None,
        patience: float = 360,
        agree: Callable[[Step], bool] = lambda _: True,
        on_step: Callable[[Step], object] = lambda _: None,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        clock: Clock = monotonic_clock,
        now: Clock = wall_clock,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Prepare a rotation; nothing is sent.

        ``keys``: the client for the hook keys.
        ``hooks``: the client for the inline hooks. None: an administrator switches them.
        ``name``: the name of the key to be replaced. Its successor gets this name at the end.
        ``applications``: the client for the keys of applications. Default None: they are neither
            read nor changed.
        ``successor``: the name of the new key until the end; pass the same name to each run.
            Default None: ``name`` and " (next)".
        ``bridges``: URLs of JWK Sets that the verifiers read, such as that of a ``JwksBridge``.
            Default: none.
        ``verifiers_ready``: whether all verifiers have the new key, or a function that is called
            with the new key and the hooks whose verifiers are not known to have it. Default False.
        ``keep``: the seconds for which the old key stays after the last switch, 0 to 2,592,000 (30
            days), default 3600.
        ``wait``: whether to wait for that time. Default False: the run ends before.
        ``finish``: without ``hooks``, whether all hooks use the new key. Default False.
        ``again``: whether to rotate a key that a rotation has created in the last 15 minutes.
            Default False.
        ``payload_for``: a function that returns a payload for a hook. Each active hook that uses
            the new key is then executed, which runs its real handler. Default None.
        ``patience``: the longest wait for the bridges, and for Okta to report which key is used, 0
            to 3600 seconds, default 360.
        ``agree``: a function that is called before each change that others can notice; the run ends
            if it returns False. Default: it returns True.
        ``on_step``: a function that is called before each step. Default: it does nothing.
        ``verify``, ``proxies``: for the requests to bridges, as for ``HookKeysClient``.
        ``clock``, ``now``, ``sleep``: return monotonic and epoch seconds, and wait. Default: those
            of the system.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._reader = RotationReader(
            keys, hooks, applications, name, successor, again=flag("again", again), now=now
        )
        if hooks is None and (bridges or payload_for is not None or applications is not None):
            raise ConfigurationError("bridges, payload_for and applications need hooks")
        urls = tuple(
            check_url("bridges", url, example="https://keys.acme.com/jwks.json", query=True)
            for url in texts("bridges", bridges)
        )
        if not isinstance(verifiers_ready, bool):
            function("verifiers_ready", verifiers_ready, "that takes a key and hooks, or a boolean")
        if payload_for is not None:
            function("payload_for", payload_for, "that takes a hook")
        self._choices = Choices(
            name=self._reader.name,
            successor=self._reader.successor,
            keep=seconds("keep", keep, 0, 30 * 86_400),
            finish=flag("finish", finish),
            execute=payload_for is not None,
            confirmed=verifiers_ready is True,
            has_bridges=bool(urls),
        )
        self._bridges = Bridges(urls, verify=verify, proxies=proxies, clock=clock)
        self._keys = keys
        self._agree = function("agree", agree, "that takes a step")
        self._on_step = function("on_step", on_step, "that takes a step")
        self._agreed: set[str] = set()
        self._work = RotationWork(
            keys=keys,
            hooks=cast("InlineHooksClient", hooks),  # no step needs what is not given
            applications=cast("ApplicationKeysClient", applications),
            bridges=self._bridges,
            ready=None if isinstance(verifiers_ready, bool) else verifiers_ready,
            payload_for=cast("Callable[[InlineHook], Mapping[str, Any]]", payload_for),
            wait=flag("wait", wait),
            patience=seconds("patience", patience, 0, 3600),
            clock=clock,
            sleep=sleep,
            survey=self._survey,
        )

    def plan(self, *, undo: bool = False, discard: bool = False) -> RotationReport:
        """Return all steps and which of them are done. Nothing is changed.

        ``undo``, ``discard``: whether the steps are those of ``undo``. Default False.
        """
        choices = replace(self._choices, undo=undo, discard=discard)
        return self._report(choices, *self._survey(choices))

    def run(self) -> RotationReport:
        """Do all steps that can be done now, and return how far the rotation is.

        Run it again until it is finished. Raises ``RotationStoppedError`` if going on could fail
        deliveries, ``KeyLimitError`` if the org has 50 keys, and ``ForbiddenError`` naming the
        scope that a step needs.
        """
        return self._reported(self._choices)

    def undo(self, *, discard: bool = False) -> RotationReport:
        """Let all hooks use the old key again, and return how far that is.

        ``discard``: whether to remove the new key afterwards, from applications and from the org,
            ``keep`` seconds after the last switch. Default False.

        Raises ``RotationStoppedError`` if the old key does not exist any more.
        """
        return self._reported(replace(self._choices, undo=True, discard=discard))

    def close(self) -> None:
        """Close the connections to the bridges; the clients remain open. Idempotent."""
        self._bridges.close()

    def _reported(self, choices: Choices) -> RotationReport:
        """Report a rotation that stopped like a failed call of the API."""
        try:
            return self._driven(choices)
        except RotationStoppedError as error:
            self._keys._report(EventName.API, outcome="failed", seconds=0.0, reason=error.reason)
            raise

    def _driven(self, choices: Choices) -> RotationReport:
        """Do the steps one by one, and read the state again before each."""
        begun = Counter[StepName]()
        while True:
            state, steps = self._survey(choices)
            step = next((each for each in steps if not each.done), None)
            if step is None:
                return self._report(choices, state, steps)
            if self._must_ask(step):
                if not self._agree(step):
                    return self._report(choices, state, steps, "agreement")
                self._agreed.add(step.text)
                continue  # because the org may have changed during the question
            begun[step.name] += step.name != "keep"
            if begun[step.name] > MAX_REPEATS:
                raise RotationStoppedError(
                    f"the step {step.name!r} is necessary again and again: check whether "
                    "another run rotates or undoes it now"
                )
            self._on_step(step)
            choices, waiting_for = self._work.done(step, state, choices)
            if waiting_for:
                return self._report(choices, *self._survey(choices), waiting_for)

    def _must_ask(self, step: Step) -> bool:
        # A rename is asked about if the old key was never seen: the name may be a mistake.
        asked = step.name in _ASKED or (step.name == "rename" and not self._reader.knows_old)
        return asked and step.text not in self._agreed

    def _survey(self, choices: Choices) -> tuple[RotationState, list[Step]]:
        state = self._reader.read(choices)
        return state, next_steps(state, choices)

    def _report(
        self,
        choices: Choices,
        state: RotationState,
        steps: Iterable[Step],
        waiting_for: WaitingFor = "",
    ) -> RotationReport:
        steps = tuple(steps)
        again = None
        if waiting_for == "keep":
            until = state.keep_until(state.sides(choices)[1], choices.keep)
            again = datetime.fromtimestamp(until + 1, UTC)
        key = state.new and self._keys._with_public_key(state.new)
        return RotationReport(
            finished=all(step.done for step in steps),
            steps=steps,
            key=key,
            waiting_for=waiting_for,
            run_again_at=again,
            notes=(*self._reader.notes, *self._work.notes),
        )


class AsyncKeyRotation:
    """``KeyRotation`` for asyncio: the same methods, awaitable, in worker threads.

    For example:

    >>> import asyncio
    >>> from hookkey_verify.okta import ApiToken, AsyncHookKeysClient, AsyncInlineHooksClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> async def rotate(*org):
    ...     async with AsyncHookKeysClient(*org) as keys, AsyncInlineHooksClient(*org) as hooks:
    ...         return await keys.rotation("Token hook", hooks, keep=0).run()
    >>> with OktaEmulator() as okta:
    ...     old = okta.create_key("Token hook")
    ...     asyncio.run(rotate(okta.url, ApiToken(okta.api_token))).finished
    True
    """

    def __init__(
        self,
        keys: AsyncHookKeysClient,
        hooks: AsyncInlineHooksClient | None,
        name: str,
        *,
        applications: AsyncApplicationKeysClient | None = None,
        **options: Any,
    ) -> None:
        """Prepare a rotation; the arguments are those of ``KeyRotation``.

        Functions among them are called in a worker thread. Raises ``ConfigurationError``.
        """
        options.setdefault("sleep", interruptible)
        self._rotation = KeyRotation(
            keys._client,
            None if hooks is None else hooks._client,
            name,
            applications=None if applications is None else applications._client,
            **options,
        )

    async def plan(self, *, undo: bool = False, discard: bool = False) -> RotationReport:
        """Return all steps and which of them are done."""
        return await in_thread(self._rotation.plan, undo=undo, discard=discard)

    async def run(self) -> RotationReport:
        """Do all steps that can be done now, and return how far the rotation is."""
        return await in_thread(self._rotation.run)

    async def undo(self, *, discard: bool = False) -> RotationReport:
        """Let all hooks use the old key again, and return how far that is."""
        return await in_thread(self._rotation.undo, discard=discard)

    async def close(self) -> None:
        """Close the connections to the bridges. Idempotent."""
        await in_thread(self._rotation.close)
