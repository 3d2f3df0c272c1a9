"""Settings: which source has precedence, what is created from them, and the errors."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization

from hookkey_verify import (
    ApiToken,
    AsyncHookKeysClient,
    BearerToken,
    ConfigurationError,
    HookKeys,
    HookKeysClient,
    HookSigner,
    HookVerifier,
    IssuerKeys,
    ServiceApp,
    StaticKeys,
)
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.okta.sign_in import connection, credentials
from hookkey_verify.settings import NAMES, Settings

from .faults import all_text

SECRET = "00s3cr3tTokenOfTheTests"
SOURCES = ("argument", "environment", "working directory", "home")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Paths of Okta's two files, which do not exist yet; the environment has no settings."""
    here, home = tmp_path / "here", tmp_path / "home"
    (home / ".okta").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(Path, "home", lambda: home)
    for name in NAMES.values():
        monkeypatch.delenv(name.variable, raising=False)
    return here / "okta.yaml", home / ".okta" / "okta.yaml"


def _write(path: Path, **settings: Any) -> None:
    path.write_text(yaml.safe_dump({"okta": {"client": settings}}))


@pytest.mark.parametrize(
    "there", [c for n in range(5) for c in itertools.combinations(SOURCES, n)], ids=" + ".join
)
@pytest.mark.parametrize("name", ["org_url", "token", "scopes"])
def test_precedence(
    places: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    there: tuple[str, ...],
    name: str,
) -> None:
    """The first source wins: argument, environment, ./okta.yaml, ~/.okta/okta.yaml."""
    where = NAMES[name]
    assert where.key is not None
    given = {name: "from argument"} if "argument" in there else {}
    if "environment" in there:
        monkeypatch.setenv(where.variable, "from environment")
    for source, path in zip(("working directory", "home"), places, strict=True):
        if source in there:
            _write(path, **{where.key: f"from {source}"})
    settings = Settings(given)
    assert settings.text(name) == (f"from {there[0]}" if there else None)
    origins = {
        "argument": "argument",
        "environment": where.variable,
        "working directory": "okta.yaml",
        "home": str(places[1]),
    }
    assert settings.origin(name) == (origins[there[0]] if there else None)


def test_files_fill_the_gaps_of_each_other(places: tuple[Path, Path]) -> None:
    """A setting that one file lacks is read from the other; None and empty values are skipped."""
    _write(places[0], orgUrl="https://acme.okta.com", token=None)
    _write(places[1], orgUrl="https://other.okta.com", token=SECRET)
    settings = Settings({"token": None}, environ={"OKTA_CLIENT_ORGURL": ""})
    assert settings.text("org_url") == "https://acme.okta.com"
    assert settings.text("token") == SECRET


def test_files_are_read_only_when_they_are_needed(places: tuple[Path, Path]) -> None:
    """An invalid file causes no error if the setting is in the environment."""
    places[0].write_text("okta: [")
    settings = Settings(environ={"OKTA_CLIENT_TOKEN": SECRET})
    assert settings.text("token") == SECRET
    with pytest.raises(ConfigurationError, match=r"okta\.yaml"):
        settings.text("org_url")


@pytest.mark.parametrize(
    "content",
    [
        b"okta: [",
        b"",
        b"- a list",
        b"okta: 5",
        b"okta: {client: [1]}",
        b"\xff\xfe\x00",
        b"!!python/object/apply:os.system ['true']",
        b"okta: {client: {token: x}}\n#" + b"x" * 70_000,
    ],
    ids=range(8),
)
def test_broken_files(places: tuple[Path, Path], content: bytes) -> None:
    """The error for an invalid file names the file but repeats none of its content."""
    places[0].write_bytes(content)
    with pytest.raises(
        ConfigurationError, match=r"okta\.yaml must be YAML with settings"
    ) as caught:
        Settings().text("token")
    assert "x" * 50 not in all_text(caught.value)


def test_without_pyyaml(places: tuple[Path, Path]) -> None:
    """Without PyYAML, an okta.yaml raises an error that says what to install."""
    _write(places[0], token=SECRET)
    program = (
        "import sys\nsys.modules['yaml'] = None\n"
        "from hookkey_verify.settings import Settings\nSettings().text('token')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "pip install 'hookkey_verify[cli]'" in done.stderr
    assert SECRET not in done.stderr


def test_what_is_missing_is_named(places: tuple[Path, Path]) -> None:
    """The error for a missing setting names every place where it can be set."""
    with pytest.raises(ConfigurationError, match=r"OKTA_CLIENT_ORGURL, or okta\.client\.orgUrl"):
        Settings().need("org_url")
    with pytest.raises(ConfigurationError, match=r"set HOOKKEY_TOKEN_URL$"):
        Settings().need("token_url")
    with pytest.raises(ConfigurationError, match="no setting colour"):
        Settings({"colour": "blue"})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a,b", ("a", "b")),
        ("a b", ("a", "b")),
        (" a , b ", ("a", "b")),
        (["a", "b"], ("a", "b")),
        (("a",), ("a",)),
    ],
)
def test_words(value: Any, words: tuple[str, ...]) -> None:
    """A list may be text with commas (Okta's variables) or spaces (OAuth), or a list (YAML)."""
    assert Settings({"scopes": value}).words("scopes") == words


@pytest.mark.parametrize(
    ("value", "flag"),
    [(True, True), (False, False), ("true", True), (" False ", False), ("1", True), ("no", False)],
)
def test_flags(value: Any, flag: bool) -> None:
    """A flag may be a boolean or a word such as true, 1 or no."""
    assert Settings({"dpop": value}).flag("dpop") is flag
    assert Settings({"dpop": value}).text("dpop") == str(value)


def test_wrong_types(places: tuple[Path, Path]) -> None:
    """The error for a value of the wrong type names the key and file, or the argument."""
    _write(places[0], orgUrl=["https://acme.okta.com"], scopes={"a": 1}, dpopEnabled="perhaps")
    settings = Settings()
    reads: list[tuple[Any, str, str]] = [
        (settings.text, "org_url", "orgUrl"),
        (settings.words, "scopes", "scopes"),
        (settings.flag, "dpop", "dpopEnabled"),
    ]
    for read, name, key in reads:
        with pytest.raises(ConfigurationError, match=rf"okta\.client\.{key} in okta\.yaml must"):
            read(name)
    with pytest.raises(ConfigurationError, match="key_id must"):
        Settings({"key_id": 5}).text("key_id")
    assert repr(settings) == "Settings(…)"


@pytest.mark.parametrize("written", ["0123", "0x" + "f" * 5_000, "7", "2026-11-23"], ids=len)
def test_scalars_stay_what_was_written(places: tuple[Path, Path], written: str) -> None:
    """A scalar in a file is read as text, even if it looks like a number or a date."""
    places[0].write_text(f"okta: {{client: {{token: {written}}}}}")
    assert Settings().text("token") == written


@pytest.mark.parametrize("written", ["", "~", "null", "''"])
def test_nothing_is_not_a_value(places: tuple[Path, Path], written: str) -> None:
    """An empty or null value in a file counts as missing."""
    places[0].write_text(f"okta:\n  client:\n    token: {written}\n")
    assert Settings().text("token") is None


def test_a_yaml_bomb(places: tuple[Path, Path]) -> None:
    """YAML merge keys are not expanded, so nested ones use no extra memory."""
    lines = ["a0: &a0 {x: y}"] + [
        f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)
    ]
    places[0].write_text("\n".join([*lines, "okta: {client: {token: t}}"]))
    assert Settings().text("token") == "t"


# --- objects created from settings


def _pem() -> str:
    pem: bytes = HookSigner.generate()._key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"token": SECRET}, ApiToken),
        ({"token": SECRET, "authorization_mode": "ssws"}, ApiToken),
        ({"token": SECRET, "authorization_mode": "Bearer"}, BearerToken),
    ],
)
def test_tokens(places: tuple[Path, Path], given: dict[str, str], kind: type) -> None:
    """Okta's authorizationMode selects the kind of token; the default is SSWS."""
    assert type(credentials(Settings(given))) is kind


@pytest.mark.parametrize("form", ["PEM", "one line", "file"])
@pytest.mark.parametrize("mode", [None, "PrivateKey"])
def test_a_service_app(places: tuple[Path, Path], form: str, mode: str | None) -> None:
    r"""The key of a service app is a PEM, a PEM in one line with \n, or the path of a file."""
    pem = _pem()
    value = {"PEM": pem, "one line": pem.replace("\n", "\\n"), "file": "app.pem"}[form]
    Path("app.pem").write_text(pem)
    given = {"org_url": "https://acme.okta.com", "client_id": "0oa1", "private_key": value}
    made = credentials(Settings({**given, "authorization_mode": mode, "dpop": True}))
    assert isinstance(made, ServiceApp)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "OKTA_CLIENT_TOKEN"),
        ({"authorization_mode": "Bearer"}, "OKTA_CLIENT_TOKEN"),
        ({"authorization_mode": "PrivateKey"}, "OKTA_CLIENT_ORGURL"),
        ({"authorization_mode": "Basic", "token": SECRET}, "SSWS, Bearer or PrivateKey"),
        ({"private_key": "/no/such/file"}, "OKTA_CLIENT_ORGURL"),
        (
            {"private_key": "/no/such/file", "org_url": "https://a.okta.com", "client_id": "0oa1"},
            "private_key must be a PEM",
        ),
    ],
)
def test_what_is_missing_to_sign_in(
    places: tuple[Path, Path], given: dict[str, str], problem: str
) -> None:
    """The error for incomplete credentials names what is missing or invalid."""
    with pytest.raises(ConfigurationError, match=problem):
        credentials(Settings(given))


def test_the_connection(places: tuple[Path, Path]) -> None:
    """``connection`` returns the configured CA bundle and proxy, or the defaults of requests."""
    assert connection(Settings()) == {"verify": True, "proxies": None}
    given = Settings({"ca_bundle": "/ca.pem", "proxy": "http://proxy:3128"})
    proxies = {"https": "http://proxy:3128", "http": "http://proxy:3128"}
    assert connection(given) == {"verify": "/ca.pem", "proxies": proxies}


def test_from_env(
    places: tuple[Path, Path], okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients and key sources are created from the environment; arguments override it."""
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)
    with HookKeysClient.from_env(timeout=5) as client, HookKeys.from_env(directory=True) as keys:
        key = client.create("hooks")
        assert keys.get(key.key_id) == key.public_key
    assert repr(AsyncHookKeysClient.from_env()) == f"AsyncHookKeysClient({okta.url!r})"
    other = HookKeys.from_env(org_url="https://other.okta.com", credentials=ApiToken("x"))
    assert repr(other) == "HookKeys('https://other.okta.com')"
    monkeypatch.delenv("OKTA_CLIENT_TOKEN")
    with pytest.raises(ConfigurationError, match="OKTA_CLIENT_TOKEN"):
        HookKeys.from_env()
    assert repr(HookKeys.from_env(token="x")) == f"HookKeys({okta.url!r})"


def test_a_verifier_from_env(
    places: tuple[Path, Path],
    signer: HookSigner,
    keys: StaticKeys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``from_env`` verifies access tokens with an issuer's keys, and assertions with others."""
    with pytest.raises(ConfigurationError, match="HOOKKEY_CLIENT_ID"):
        HookVerifier.from_env(keys)
    monkeypatch.setenv("HOOKKEY_CLIENT_ID", "0oa1")
    with pytest.raises(ConfigurationError, match="HOOKKEY_TOKEN_URL"):
        HookVerifier.from_env(keys)
    monkeypatch.setenv("HOOKKEY_TOKEN_URL", "https://acme.com/token")
    verifier = HookVerifier.from_env(keys, leeway=0)
    token = signer.client_assertion(client_id="0oa1", token_url="https://acme.com/token")
    assert verifier.verify(token).subject == "0oa1"
    with pytest.raises(ConfigurationError, match="HOOKKEY_ISSUER"):
        IssuerKeys.from_env()
    monkeypatch.setenv("HOOKKEY_ISSUER", "https://acme.okta.com/oauth2/aus1")
    issuer = IssuerKeys.from_env(discover=False)
    with pytest.raises(ConfigurationError, match="HOOKKEY_AUDIENCE"):
        HookVerifier.from_env(issuer)
    monkeypatch.setenv("HOOKKEY_AUDIENCE", "api://hooks")
    monkeypatch.setenv("HOOKKEY_SCOPES", "hooks more")
    assert "api://hooks" in repr(HookVerifier.from_env(issuer))
    other = HookVerifier.from_env(issuer, client_id="0oa2", audience="a", scopes=[])
    assert "0oa2" in repr(other)
    assert HookVerifier.from_env(keys, client_id="0oa2", token_url="t") is not None


def test_without_a_home(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home directory, only the file in the working directory is read."""

    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)
    _write(places[0], token=SECRET)
    assert Settings().text("token") == SECRET


@pytest.mark.parametrize("secret", ["environment", "home", "argument", "credentials"])
def test_a_folder_does_not_choose_where_a_secret_goes(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    """An org URL from ./okta.yaml is refused unless the secret comes from there, too."""
    _write(places[0], orgUrl="https://evil.example")
    if secret == "home":
        _write(places[1], orgUrl="https://acme.okta.com", token=SECRET)
    elif secret == "environment":
        monkeypatch.setenv("OKTA_CLIENT_TOKEN", SECRET)
    given: dict[str, dict[str, Any]] = {
        "argument": {"token": SECRET},
        "credentials": {"credentials": ApiToken(SECRET)},
    }
    options = given.get(secret, {})
    with pytest.raises(ConfigurationError, match="one place"):
        HookKeys.from_env(**options)
    acme = HookKeys.from_env(org_url="https://acme.okta.com", **options)
    assert repr(acme) == "HookKeys('https://acme.okta.com')"
    _write(places[0], orgUrl="https://acme.okta.com", token=SECRET)
    monkeypatch.delenv("OKTA_CLIENT_TOKEN", raising=False)
    assert repr(HookKeys.from_env()) == "HookKeys('https://acme.okta.com')"


def test_a_home_that_cannot_be_read(places: tuple[Path, Path], monkeypatch: Any) -> None:
    """A home directory that cannot be read (here: a name that is too long) counts as empty."""
    monkeypatch.setattr(Path, "home", lambda: Path("/" + "x" * 5_000))
    assert Settings().text("token") is None


@pytest.mark.parametrize("content", ["okta: !!bool foo", "okta: !!timestamp foo"])
def test_odd_tags(places: tuple[Path, Path], content: str) -> None:
    """A file with an invalid YAML tag raises a ConfigurationError."""
    places[0].write_text(content)
    with pytest.raises(ConfigurationError, match="must be YAML"):
        Settings().text("token")
