"""Dependencies point down: which module may import which, as a table."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hookkey_verify
from hookkey_verify import HookSigner

ROOT = Path(hookkey_verify.__file__).parent

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "version": set(),
    "clock": set(),
    "encoding": {"errors"},
    "events": {"errors", "log"},
    "forking": set(),
    "issuer": {"errors"},
    "settings": {"errors"},
    "jwk": {"encoding", "errors"},
    "jws": {"encoding", "errors", "jwk"},
    "bearer": {"errors"},
    "claims": {"errors"},
    "form": set(),
    "log": set(),
    "signature_memo": {"forking", "jwk"},
    "replay": {"clock", "errors", "forking", "log"},
    "verifier": {
        "bearer", "claims", "clock", "encoding", "errors", "issuer", "jwk", "jws", "log",
        "settings", "signature_memo",
    },
    "signer": {"clock", "errors"},
    "signing_key": {"errors", "jwk"},
    "endpoint": {"bearer", "errors", "guard"},
    "token_endpoint": {
        "bearer", "clock", "errors", "form", "guard", "keys", "log", "shared_secret",
        "signing_key", "verifier",
    },
    "jwks_bridge": {"bearer", "clock", "errors", "forking", "guard", "jwk", "log"},
    "okta": {
        "clock", "encoding", "errors", "forking", "jwk", "okta", "settings", "signer", "version",
    },
    "keys": {
        "clock", "encoding", "errors", "events", "forking", "issuer", "jwk", "keys", "log", "okta",
        "settings",
    },
    "valkey": {"errors", "events", "forking", "log"},
    "guard": {"bearer", "errors", "log", "verifier"},
    "shared_secret": {"bearer", "errors", "verifier"},
    "configured": {"errors", "keys", "settings", "verifier"},
    "asgi": {"endpoint", "errors", "guard", "verifier"},
    "wsgi": {"endpoint", "guard", "verifier"},
    "aws_lambda": {"endpoint", "errors", "guard", "verifier"},
    "starlette": {"endpoint", "errors", "guard", "verifier"},
    "fastapi": {"guard", "shared_secret", "starlette", "verifier"},
    "flask": {"configured", "endpoint", "errors", "guard", "log", "verifier"},
    "django": {"configured", "endpoint", "errors", "guard", "settings", "verifier"},
    "otel": {"errors", "events", "keys", "version"},
    "prometheus": {"errors", "events", "keys"},
    "emulator": {"clock", "emulator", "errors", "signer", "version"},
    "testing": {"clock", "emulator", "errors", "signer", "testing", "verifier"},
    "cli": {
        "asgi", "claims", "cli", "clock", "emulator", "encoding", "errors", "issuer",
        "jwks_bridge", "jws", "keys", "okta", "replay", "settings", "signer",
        "testing", "verifier", "version",
    },
    "__main__": {"cli"},
}  # fmt: skip


def _imports(file: Path) -> set[str]:
    """The rooms of this package that a module names, in whatever kind of import."""
    package = file.relative_to(ROOT).parts[:-1]
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = [*base, *(node.module.split(".") if node.module else [])]
            rooms |= {module[0]} if module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = (
                [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            )
            assert not any((name or "").startswith("hookkey_verify") for name in names), file
    return rooms


FILES = sorted(f for f in ROOT.rglob("*.py") if f != ROOT / "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports(file: Path) -> None:
    """Every module imports only what the table allows; a new room must be entered here."""
    room = file.relative_to(ROOT).parts[0].removesuffix(".py")
    assert _imports(file) <= MAY_IMPORT[room]


def test_the_table_is_not_stale() -> None:
    """No room in it that is gone, no permission that nobody uses."""
    used: dict[str, set[str]] = {}
    for file in FILES:
        room = file.relative_to(ROOT).parts[0].removesuffix(".py")
        used.setdefault(room, set()).update(_imports(file))
    assert used == MAY_IMPORT


def _loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after running the code."""
    program = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


HEAVY = {
    "requests", "urllib3", "jwt", "cachetools", "cryptography", "starlette", "click", "rich",
    "redis", "prometheus_client", "opentelemetry", "yaml", "flask", "werkzeug", "django", "fastapi",
}  # fmt: skip

VERIFY = """
from hookkey_verify import HookVerifier, StaticKeys
from hookkey_verify.errors import HookVerificationError
keys = StaticKeys.from_file({path!r})
verifier = HookVerifier.for_client_assertion(keys, client_id="c", token_url="t")
try:
    verifier.verify({token!r})
except HookVerificationError as error:
    assert error.reason == "wrong_issuer", error
else:
    raise AssertionError
"""


def test_importing_the_package_imports_nothing_heavy() -> None:
    """Names are imported when they are first used."""
    assert not _loaded_after("import hookkey_verify") & HEAVY


def test_verifying_with_static_keys_imports_neither_requests_nor_jwt(tmp_path: Path) -> None:
    """Down to the verified signature."""
    signer = HookSigner.generate()
    file = tmp_path / "jwk.json"
    file.write_text(json.dumps(signer.public_jwk()))
    token = signer.client_assertion(client_id="other", token_url="t")
    loaded = _loaded_after(VERIFY.format(path=str(file), token=token))
    assert loaded & HEAVY == {"cryptography"}


BUDGET = 100
"""Modules beyond those of a bare Python; cryptography's RSA alone needs 45 of them."""

DEAR = {"logging", "dataclasses", "inspect", "pathlib", "urllib", "ipaddress", "asyncio", "ssl"}


def test_a_cold_start_has_a_budget(tmp_path: Path) -> None:
    """Of modules, because seconds depend on the machine: until an assertion is verified."""
    signer = HookSigner.generate()
    token = signer.client_assertion(client_id="c", token_url="t")
    file = tmp_path / "start.py"
    file.write_text(
        "from hookkey_verify import HookVerifier, StaticKeys\n"
        f"keys = StaticKeys.from_jwk({signer.public_jwk()!r})\n"
        "verifier = HookVerifier.for_client_assertion(keys, client_id='c', token_url='t')\n"
        f"verifier.verify({token!r})\n"
    )
    loaded = _imported_by(str(file)) - _imported_by(os.devnull)
    assert len(loaded) <= BUDGET, sorted(loaded)
    assert not loaded & (HEAVY - {"cryptography"} | DEAR)
    assert "cryptography.hazmat.primitives.serialization" not in loaded


def _imported_by(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", program], capture_output=True, text=True, check=True
    )
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    ("room", "heavy"),
    [
        ("guard", {"cryptography"}),
        ("shared_secret", {"cryptography"}),
        ("asgi", {"cryptography"}),
        ("wsgi", {"cryptography"}),
        ("aws_lambda", {"cryptography"}),
        ("starlette", {"cryptography", "starlette"}),
        ("fastapi", {"cryptography", "fastapi", "starlette", "opentelemetry"}),  # FastAPI's own
        ("flask", {"cryptography", "flask", "werkzeug", "click"}),
        ("django", {"cryptography", "django"}),
    ],
)
def test_no_framework_but_its_own(room: str, heavy: set[str]) -> None:
    """Importing an adapter imports its framework, and neither another one nor an HTTP client."""
    assert _loaded_after(f"import hookkey_verify.{room}") & HEAVY <= heavy


@pytest.mark.parametrize(
    ("missing", "room"),
    [
        ("uvicorn", "emulator"),
        ("starlette", "emulator"),
        ("flask", "flask"),
        ("django", "django"),
        ("fastapi", "fastapi"),
        ("redis", "valkey"),
        ("prometheus_client", "prometheus"),
        ("opentelemetry.metrics", "otel"),
    ],
)
def test_a_missing_extra_is_named(missing: str, room: str) -> None:
    """Whoever lacks a package of an extra is told what to install."""
    program = f"import sys\nsys.modules[{missing!r}] = None\nimport hookkey_verify.{room}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"pip install 'hookkey_verify[{room}]'" in done.stderr.splitlines()[-1]


def test_public_names() -> None:
    """A table of contents of at most 17 names, each of which exists and is listed by dir()."""
    assert len(hookkey_verify.__all__) <= 17
    for name in hookkey_verify.__all__:
        assert getattr(hookkey_verify, name).__name__ == name
        assert name in dir(hookkey_verify)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        hookkey_verify.Nothing  # noqa: B018
