"""StaticKeys: from documents, PEM and files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from hookkey_verify import HookSigner, PublicKey, StaticKeys
from hookkey_verify.errors import ConfigurationError, UnknownKeyError
from tests.conftest import KeyPool


@pytest.fixture(scope="module")
def pem(key_pool: KeyPool) -> bytes:
    kinds = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key_pool().public_key().public_bytes(*kinds)


def test_get(signer: HookSigner, keys: StaticKeys) -> None:
    """A key is returned by its kid, or the kid is unknown, in sync and async code."""
    assert keys.get(signer.kid).kid == signer.kid
    assert asyncio.run(keys.aget(signer.kid)) == keys.get(signer.kid)
    keys.close()
    for missing in ("other", ""):
        with pytest.raises(UnknownKeyError):
            keys.get(missing)
    assert signer.kid in repr(keys)


def test_from_jwks(signer: HookSigner) -> None:
    """A source may have several keys."""
    other = {**signer.public_jwk(), "kid": "other"}
    keys = StaticKeys.from_jwks({"keys": [signer.public_jwk(), other]})
    assert keys.get("other").thumbprint == keys.get(signer.kid).thumbprint


def test_from_file(signer: HookSigner, pem: bytes, tmp_path: Path) -> None:
    """The format of a file (JWK, JWK Set, hook key or PEM) is recognized by its content."""
    jwk = signer.public_jwk()
    for document in (jwk, {"keys": [jwk]}, {"keyId": signer.kid, "_embedded": jwk}):
        file = tmp_path / "key.json"
        file.write_text(json.dumps(document))
        assert StaticKeys.from_file(file).get(signer.kid)
    file = tmp_path / "key.pem"
    file.write_bytes(pem)
    assert StaticKeys.from_file(str(file), kid="mine").get("mine")
    with pytest.raises(ConfigurationError, match="pass kid="):
        StaticKeys.from_file(file)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff", b"{}", b'{"keys":5}', b'{"keys":[]}', b"-----BEGIN x"]
)
def test_bad_file(content: bytes, tmp_path: Path) -> None:
    """The error message names the file."""
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"bad\.json"):
        StaticKeys.from_file(file, kid="k")


@pytest.mark.parametrize("path", ["missing.json", "", "\0", None, 5.5], ids=repr)
def test_no_file(path: Any) -> None:
    """A file that cannot be read raises our error, not OSError, ValueError or TypeError."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        StaticKeys.from_file(path)


def test_bad_documents(signer: HookSigner) -> None:
    """The error gives the position of a bad key; an empty set and duplicate kids are refused."""
    jwk = signer.public_jwk()
    with pytest.raises(ConfigurationError, match=r"keys\[1\]: n "):
        StaticKeys.from_jwks({"keys": [jwk, {**jwk, "n": "AQAB`"}]})
    other = HookSigner.generate(signer.kid).public_jwk()
    with pytest.raises(ConfigurationError, match="two keys"):
        StaticKeys.from_jwks({"keys": [jwk, other]})
    with pytest.raises(ConfigurationError, match=r"use StaticKeys\.from_jwks"):
        StaticKeys.from_jwk({"keys": [jwk]})
    with pytest.raises(ConfigurationError, match="the JWK: d"):
        StaticKeys.from_jwk({**jwk, "d": "AQAB"})
    with pytest.raises(ConfigurationError, match="PEM"):
        StaticKeys.from_pem("k", "rubbish")
    with pytest.raises(ConfigurationError, match="no key"):
        StaticKeys([])
    documents: list[Any] = [None, [], 5, {}, {"keys": {}}, {"keys": None}]
    for document in documents:
        with pytest.raises(ConfigurationError):
            StaticKeys.from_jwks(document)
    for keys in (None, 5, [5], ["key"]):
        with pytest.raises(ConfigurationError):
            StaticKeys(keys)  # type: ignore[arg-type]


def test_from_public_keys(signer: HookSigner) -> None:
    """A source can be made from ``PublicKey`` objects."""
    key = PublicKey.from_document(signer.public_jwk(), expected_kid=None)
    assert StaticKeys([key]).get(signer.kid) is key
