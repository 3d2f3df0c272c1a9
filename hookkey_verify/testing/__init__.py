"""Tools for your tests: bad tokens, requests, checks of replies, a contract for replay stores.

``plugin`` has the pytest fixtures. pytest imports it in every environment with this package, so
everything else is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._runtime.lazy import lazily

if TYPE_CHECKING:
    from .contract import replay_store_contract as replay_store_contract
    from .hooks import verified_hook as verified_hook
    from .replies import assert_valid_reply as assert_valid_reply
    from .requests import hook_request as hook_request
    from .zoo import BadToken as BadToken
    from .zoo import bad_access_tokens as bad_access_tokens
    from .zoo import bad_tokens as bad_tokens

__all__ = [
    "BadToken",
    "assert_valid_reply",
    "bad_access_tokens",
    "bad_tokens",
    "hook_request",
    "replay_store_contract",
    "verified_hook",
]

_HOMES = {
    "BadToken": ".zoo",
    "assert_valid_reply": ".replies",
    "bad_access_tokens": ".zoo",
    "bad_tokens": ".zoo",
    "hook_request": ".requests",
    "replay_store_contract": ".contract",
    "verified_hook": ".hooks",
}

if not TYPE_CHECKING:  # so that a type checker reports names that do not exist
    __getattr__, __dir__ = lazily(__name__, _HOMES)
