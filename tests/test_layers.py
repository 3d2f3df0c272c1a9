"""What importing a module loads, and which modules are public.

import-linter checks the direction of dependencies, with the rules in ``pyproject.toml``.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hookkey_verify
from hookkey_verify import HookSigner
from hookkey_verify.emulator import OktaEmulator

ROOT = Path(hookkey_verify.__file__).parent


def _modules_after(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has after running the code."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def _loaded_after(code: str) -> set[str]:
    """Return the same, but only top-level modules."""
    return {name.partition(".")[0] for name in _modules_after(code)}


HEAVY = {
    "requests", "urllib3", "certifi", "jwt", "cachetools", "cryptography", "starlette", "click",
    "rich", "redis", "prometheus_client", "opentelemetry", "yaml", "flask", "werkzeug", "django",
    "fastapi",
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
    """Importing the package imports no heavy module, because names are imported on first use."""
    assert not _loaded_after("import hookkey_verify") & HEAVY


def test_verifying_with_static_keys_imports_neither_requests_nor_jwt(tmp_path: Path) -> None:
    """A token is verified with static keys without importing a heavy module but cryptography."""
    signer = HookSigner.generate()
    file = tmp_path / "jwk.json"
    file.write_text(json.dumps(signer.public_jwk()))
    token = signer.client_assertion(client_id="other", token_url="t")
    loaded = _loaded_after(VERIFY.format(path=str(file), token=token))
    assert loaded & HEAVY == {"cryptography"}


BUDGET = 100
"""The number of modules that a bare interpreter lacks; cryptography's RSA alone needs 45."""

SLOW = {"logging", "dataclasses", "inspect", "pathlib", "urllib", "ipaddress", "asyncio", "ssl"}


def test_a_cold_start_has_a_budget(tmp_path: Path) -> None:
    """Verifying a first assertion loads at most ``BUDGET`` modules (time varies by machine)."""
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
    assert not loaded & (HEAVY - {"cryptography"} | SLOW)
    assert "cryptography.hazmat.primitives.serialization" not in loaded


FETCH_BUDGET = 280
"""The number of all modules after a verification with a fetch; a bare interpreter has up to 115."""

NOT_FOR_A_FETCH = {"requests", "jwt", "charset_normalizer", "idna", "http.cookiejar", "asyncio"}


@pytest.mark.parametrize(
    "source",
    [
        "HookKeys(okta_url, ApiToken(token))",
        "HookKeys.from_env(org_url=okta_url, token=token)",
        "IssuerKeys(issuer)",
        "IssuerKeys.from_env(issuer=issuer)",
    ],
)
def test_a_cold_start_with_a_fetch_has_a_budget(okta: OktaEmulator, source: str) -> None:
    """Fetching a key and verifying a first token ends with at most ``FETCH_BUDGET`` modules."""
    if source.startswith("Hook"):
        signer = okta.signer(okta.create_key("cold")["keyId"])
        token = signer.client_assertion(client_id="c", token_url="t")
        recipe = "HookVerifier.for_client_assertion(keys, client_id='c', token_url='t')"
    else:
        token = okta.access_token("c")
        recipe = "HookVerifier.for_access_token(keys, client_id='c', audience='api://hooks')"
    loaded = _modules_after(
        "from hookkey_verify import ApiToken, HookKeys, HookVerifier, IssuerKeys\n"
        f"okta_url, token, issuer = {okta.url!r}, {okta.api_token!r}, {okta.issuer!r}\n"
        f"keys = {source}\n"
        f"verifier = {recipe}\n"
        f"verifier.verify({token!r})"
    )
    assert len(loaded) <= FETCH_BUDGET, sorted(loaded)
    assert not loaded & NOT_FOR_A_FETCH


HOOKS_BUDGET = 19
"""The number of modules of ``hookkey_verify.hooks``, whose import takes 3 to 5 ms."""


def test_typed_hooks_have_a_budget() -> None:
    """Importing the package of typed hooks loads one module, and all its names few more.

    Payloads, replies and their check need nothing but ``errors``, which needs ``re``: Python 3.11
    and 3.12 have often loaded it before the program begins. ``Hooks`` needs the guard of every
    adapter, and beyond it only modules of its own package.
    """
    package = _modules_after("import re, hookkey_verify")
    imported = _modules_after("import hookkey_verify.hooks") - package
    assert imported == {"hookkey_verify.hooks"}
    pure = "from hookkey_verify.hooks import parse_hook, TokenReply, check_reply"
    own = {name for name in _modules_after(pure) - package if not name.startswith(HOOKS)}
    assert own <= {"hookkey_verify.errors", "math"}
    guarded = "import hookkey_verify.guard\n"
    every = _modules_after(guarded + "from hookkey_verify.hooks import *") - _modules_after(guarded)
    assert len(every) <= HOOKS_BUDGET, sorted(every)
    assert all(name.startswith(HOOKS) for name in every)


HOOKS = "hookkey_verify.hooks"


def _imported_by(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", program], capture_output=True, text=True, check=True
    )
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    ("module", "heavy"),
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
def test_no_framework_but_its_own(module: str, heavy: set[str]) -> None:
    """Importing an adapter imports its own framework, but no other one and no HTTP client."""
    assert _loaded_after(f"import hookkey_verify.{module}") & HEAVY <= heavy


@pytest.mark.parametrize(
    ("missing", "module"),
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
def test_a_missing_extra_is_named(missing: str, module: str) -> None:
    """If a package of an extra is missing, the ImportError says what to install."""
    program = f"import sys\nsys.modules[{missing!r}] = None\nimport hookkey_verify.{module}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"pip install 'hookkey_verify[{module}]'" in done.stderr.splitlines()[-1]


def test_public_names() -> None:
    """The package has at most 18 public names; each exists and is listed by ``dir``."""
    assert len(hookkey_verify.__all__) <= 18
    for name in hookkey_verify.__all__:
        assert getattr(hookkey_verify, name).__name__ == name
        assert name in dir(hookkey_verify)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        hookkey_verify.Nothing  # type: ignore[attr-defined]  # noqa: B018


def _modules() -> list[str]:
    """Return every module of the package as a dotted path below the package."""
    paths = [path.relative_to(ROOT) for path in ROOT.rglob("*.py")]
    parts = [path.parts[:-1] if path.name == "__init__.py" else path.parts for path in paths]
    return sorted(".".join(each).removesuffix(".py") for each in parts if each)


PUBLIC = [name for name in _modules() if not any(p.startswith("_") for p in name.split("."))]


@pytest.mark.parametrize("module", PUBLIC)
def test_a_public_module_says_what_is_public(module: str) -> None:
    """Every module whose path has no underscore defines ``__all__``."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    body = ast.parse(file.read_text()).body
    names = [
        target.id
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert "__all__" in names or len(body) == 1  # a package that is only a docstring


def test_the_documentation_imports_no_private_module() -> None:
    """No documentation or example imports a private module, which may move."""
    repository = ROOT.parent
    files = [*repository.glob("*.md"), *repository.glob("docs/**/*.md")]
    files += repository.glob("examples/**/*.py")
    for file in files:
        for name in re.findall(r"(?:from|import) hookkey_verify((?:\.\w+)*)", file.read_text()):
            assert not any(part.startswith("_") for part in name.split(".")), (file, name)


def test_the_public_paths_are_listed() -> None:
    """CONTRIBUTING.md names every public module at the root, and no other."""
    text = (ROOT.parent / "CONTRIBUTING.md").read_text()
    listed = re.search(r"Public paths: (.*?)\.\n", text, re.DOTALL)
    assert listed is not None
    names = set(re.findall(r"`(\w+)`", listed[1]))
    assert names == {name.partition(".")[0] for name in PUBLIC}
    assert len([name for name in _modules() if "." not in name]) - len(PACKAGES) <= 26


PACKAGES = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}


def test_no_two_public_classes_have_one_name() -> None:
    """No two public classes share a name, except in adapters, where it is intended."""
    adapters = {"asgi", "wsgi", "django", "flask", "fastapi", "starlette", "aws_lambda", "otel"}
    seen: dict[str, str] = {}
    for module in PUBLIC:
        path = ROOT.joinpath(*module.split("."))
        if module in adapters or path.is_dir():
            continue
        for node in ast.parse(path.with_suffix(".py").read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert seen.setdefault(node.name, module) == module, node.name
