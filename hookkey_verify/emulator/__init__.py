"""A local Okta org with hook keys, over real HTTP on loopback.

It shares no code with the verifier, the key sources and the Okta client, so that a mistake in one
cannot hide the same mistake in the other. It checks replies with ``hooks.check_reply``. It follows
recorded traffic and Okta's specification. ``GUESS`` marks behavior that neither of them defines.
"""

from __future__ import annotations

try:
    import starlette as _starlette  # noqa: F401 - imported to name the missing extra
    import uvicorn as _uvicorn  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"hookkey_verify.emulator needs {error.name}: pip install 'hookkey_verify[emulator]'"
    ) from None

from .hook_keys import HookKeyStore
from .okta_error import OktaError
from .server import OktaEmulator

__all__ = ["HookKeyStore", "OktaEmulator", "OktaError"]
