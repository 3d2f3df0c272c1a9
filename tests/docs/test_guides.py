"""The guides work: their shell blocks, settings and configuration files are used as they are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import yaml
from flask import Flask

from hookkey_verify import HookVerifier, IssuerKeys, StaticKeys
from hookkey_verify.asgi import serve as serve_asgi
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.flask import serve
from hookkey_verify.hooks import Hooks, TokenHook, TokenReply
from hookkey_verify.jwks_bridge import JwksBridge
from hookkey_verify.okta import ApiToken, HookKeysClient, InlineHooksClient
from hookkey_verify.settings import NAMES
from hookkey_verify.signing_key import SigningKey

from ..commands import check_command
from ..servers import asgi_server, free_port, wsgi_server

DOCS = Path(__file__).parents[2] / "docs"
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
NGINX = shutil.which("nginx", path=SBIN)
CLIENT_ID = "0oa1hookclient4x7"


def _blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)


def _shell(code: str, org: OktaEmulator, **environment: str) -> str:
    """Run a shell block with the commands of this environment, and return what it prints."""
    variables = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OKTA_CLIENT_ORGURL": org.url,
        "OKTA_CLIENT_TOKEN": org.api_token,
    }
    done = subprocess.run(
        ["bash", "-euc", code], env={**os.environ, **variables, **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _handler(verifier: HookVerifier) -> Flask:
    hooks = Hooks(verifier)

    @hooks.on(TokenHook)
    def add_team(hook: TokenHook) -> TokenReply:
        return TokenReply().access_claim("team", "blue")

    app = Flask("guide")
    app.add_url_rule("/hook", "hook", serve(hooks), methods=["POST"])
    return app


def test_the_set_up_in_okta(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of docs/okta.md, with a local org's addresses, lead to a hook that is answered."""
    create_key, create_hook = _blocks("okta.md", "sh")
    printed = _shell(create_key, okta)
    [key_id] = re.findall(r"HKY\w+", printed)
    jwk = json.loads(printed[printed.index("{") :])
    client_id = okta.create_service_app(jwk, ["hooks"])  # step 2, without the Admin Console
    for name, value in {
        "ISSUER": okta.issuer, "AUDIENCE": "api://hooks", "CLIENT_ID": client_id, "SCOPES": "hooks",
    }.items():  # fmt: skip
        assert f"`HOOKKEY_{name}`" in (DOCS / "okta.md").read_text("utf-8")
        monkeypatch.setenv(f"HOOKKEY_{name}", value)
    with IssuerKeys.from_env() as keys:
        app = _handler(HookVerifier.from_env(keys))
        with wsgi_server(app) as port:
            addresses = {
                "https://hooks.acme.com/hook": f"http://127.0.0.1:{port}/hook",
                "https://acme.okta.com/oauth2/aus1hooks": okta.issuer,
                CLIENT_ID: client_id,
            }
            for old, new in addresses.items():
                assert create_hook.count(old) == 1
                create_hook = create_hook.replace(old, new)
            _shell(create_hook, okta)
            with InlineHooksClient(okta.url, ApiToken(okta.api_token)) as client:
                [hook] = client.list()
            assert (hook.status, hook.hook_key_id) == ("ACTIVE", key_id)
            delivery = okta.fire(hook.id)
            assert (delivery.outcome, delivery.ok) == ("commands", True), delivery


def test_the_fields_of_the_set_up(okta: OktaEmulator) -> None:
    """The table of docs/okta.md has each option of its command, and each field that it sets."""
    text = (DOCS / "okta.md").read_text("utf-8")
    table = text.partition("## 3. ")[2].partition("## 4. ")[0].partition("```sh")[0]
    create_key, create_hook = _blocks("okta.md", "sh")
    for option in re.findall(r"--[\w-]+", create_hook):
        assert f"`{option}` |" in table, option
    _shell(create_key + create_hook, okta)
    with InlineHooksClient(okta.url, ApiToken(okta.api_token)) as client:
        [hook] = client.list()
    fields = {name for name, value in hook.raw["channel"]["config"].items() if value}
    assert {"uri", "authType", "hookKeyId", "clientId", "tokenUrl", "scope"} <= fields
    for field in ("name", "type", *fields):
        assert f"| `{field}` |" in table, field


def test_the_rotation(okta: OktaEmulator) -> None:
    """The steps of docs/rotation.md leave one key with the old name and new material."""
    old = okta.create_key("Token hook")
    create, finish = _blocks("rotation.md", "sh")
    assert "kty" in _shell(create, okta)
    _shell(finish, okta)
    with HookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
        [key] = client.list()
    assert (key.name, key.id != old["id"]) == ("Token hook", True)


LINES = sorted(
    {
        line.strip().partition(" > ")[0]
        for path in DOCS.rglob("*.md")
        for block in _blocks(path.relative_to(DOCS).as_posix(), "(?:sh|text)")
        for line in re.sub(r"\\\n\s*", "", block).splitlines()
        if re.match(r"\s*hookkey (?!\[)[^…]*$", line)
    }
)


@pytest.mark.parametrize("line", LINES)
def test_a_command_exists(line: str) -> None:
    """Each ``hookkey`` command in a block of the documentation exists, with its options."""
    check_command(re.split(r"\s{4,}", line)[0])


# --- configuration files


def test_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest of docs/kubernetes.md sets known variables, and probes what the code serves."""
    [manifest] = _blocks("kubernetes.md", "yaml")
    [code] = _blocks("kubernetes.md", "python")
    pod = yaml.safe_load(manifest)["spec"]["template"]["spec"]
    [container] = pod["containers"]
    variables = {each["name"] for each in container["env"]}
    assert variables <= {where.variable for where in NAMES.values()}
    assert all(variable in code for variable in variables)
    scope: dict[str, Any] = {"__name__": "hook"}
    monkeypatch.setenv("HOOKKEY_CLIENT_ID", CLIENT_ID)
    exec(compile(code, "kubernetes.md", "exec"), scope)
    client = scope["app"].test_client()
    for probe in ("readinessProbe", "livenessProbe"):
        assert client.get(container[probe]["httpGet"]["path"]).status_code == 200
        assert container[probe]["httpGet"]["port"] == container["ports"][0]["containerPort"]
    assert f"--bind=0.0.0.0:{container['ports'][0]['containerPort']}" in container["command"]
    assert client.post("/hook").status_code == 401
    scope["keys"].close()


def test_the_template_of_the_gateway() -> None:
    """CloudFormation's linter finds no fault in the template of docs/jwks-bridge.md."""
    from cfnlint.api import lint  # noqa: PLC0415 - takes a second, in every worker of pytest

    [template] = _blocks("jwks-bridge.md", "yaml")
    assert lint(template, ["eu-central-1"]) == []


def test_what_the_gateway_reads(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier that only knows the issuer accepts the endpoint's tokens, as the gateway does."""
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)
    [code] = _blocks("jwks-bridge.md", "python")
    [template] = _blocks("jwks-bridge.md", "yaml")
    properties = re.search(r"Issuer: (\S+)\n +Audience: \[\"(\S+)\"\]", template)
    assert properties is not None
    issuer, audience = properties.groups()
    scope: dict[str, Any] = {"__name__": "hook"}
    exec(compile(code, "jwks-bridge.md", "exec"), scope)
    client = scope["app"].test_client()
    found = client.get("/.well-known/openid-configuration").get_json()
    assert found["issuer"] == issuer
    jwks = client.get(found["jwks_uri"].removeprefix(issuer)).get_json()
    assertion = okta.signer(okta.create_key("gateway")["keyId"]).client_assertion(
        client_id=CLIENT_ID, token_url=f"{issuer}/oauth2/token"
    )
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    token = client.post("/oauth2/token", data=form).get_json()["access_token"]
    [jwk] = [
        each for each in jwks["keys"] if each["kid"] == jwt.get_unverified_header(token)["kid"]
    ]
    claims = jwt.decode(
        token, jwt.PyJWK(jwk), algorithms=["RS256"], audience=audience, issuer=issuer
    )
    assert claims["scope"] == "hooks"


@contextmanager
def _nginx(folder: Path, server: str) -> Iterator[None]:
    """Run nginx with the configuration of the guide inside of a complete one."""
    (folder / "nginx.conf").write_text(
        ("user root;\n" if os.geteuid() == 0 else "")  # tmp_path is private
        + f"daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off;\n"
        + "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + server
        + "}\n"
    )
    command = [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.skipif(NGINX is None, reason="needs nginx")
def test_nginx_in_front_of_the_bridge(okta: OktaEmulator, tmp_path: Path) -> None:
    """The cache of nginx serves only the bridge's key set, also while the bridge is down."""
    key = okta.create_key("Token hook")
    port = free_port()
    [server] = _blocks("jwks-bridge.md", "nginx")
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "    ssl_certificate /etc/nginx/tls/keys.acme.com.pem;\n": "",
        "    ssl_certificate_key /etc/nginx/tls/keys.acme.com.key;\n": "",
        "/var/cache/nginx/hookkeys": f"{tmp_path}/cache",
    }
    with ExitStack() as running:
        client = running.enter_context(HookKeysClient(okta.url, ApiToken(okta.api_token)))
        bridge = ExitStack()
        app = serve_asgi(JwksBridge(client, names=["Token hook"], fresh_for=1))
        upstream = running.enter_context(bridge).enter_context(asgi_server(app))
        changes["http://127.0.0.1:8080"] = f"http://127.0.0.1:{upstream}"
        for old, new in changes.items():
            assert server.count(old) == 1
            server = server.replace(old, new)
        running.enter_context(_nginx(tmp_path, server))
        assert _kids(_fetched(port)) == [key["keyId"]]
        bridge.close()
        assert _kids(_fetched(port)) == [key["keyId"]]
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code == 404


def _fetched(port: int) -> requests.Response:
    session = requests.Session()
    retries = requests.adapters.Retry(connect=8, backoff_factor=0.05)
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
    return session.get(f"http://127.0.0.1:{port}/.well-known/jwks.json", timeout=10)


def _kids(response: requests.Response) -> list[str]:
    document: Mapping[str, Any] = response.json()
    StaticKeys.from_jwks(document)
    return [key["kid"] for key in document["keys"]]


def test_the_regions_accept_each_other(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the code of docs/regions.md, both regions' access tokens pass; assertions do not."""
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)
    [code] = _blocks("regions.md", "python")
    scope: dict[str, Any] = {"__name__": "region"}
    exec(compile(code, "regions.md", "exec"), scope)
    assert isinstance(scope["elsewhere"], SigningKey)
    kids = {key["kid"] for key in scope["tokens"].jwks["keys"]}
    assert kids == {scope["here"].public_key.kid, scope["elsewhere"].public_key.kid}
    signer = okta.signer(okta.create_key("regions")["keyId"])
    for region, status in (("eu", 200), ("us", 401)):
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signer.client_assertion(
                client_id=CLIENT_ID, token_url=f"https://{region}.hooks.acme.com/oauth2/token"
            ),
        }
        app = Flask("region")
        app.add_url_rule("/", "token", serve(scope["tokens"]), methods=["POST"])
        assert app.test_client().post("/", data=form).status_code == status
