"""For the tests of our users: tokens that a verifier must refuse."""

from __future__ import annotations

from .zoo import BadToken, bad_tokens

__all__ = ["BadToken", "bad_tokens"]
