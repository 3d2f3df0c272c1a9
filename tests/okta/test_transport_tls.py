"""OktaTransport: certificates, CA bundles and TLS through a proxy."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from hookkey_verify import ApiToken, ConfigurationError
from hookkey_verify._runtime.clock import monotonic_clock
from hookkey_verify.errors import TransportError
from hookkey_verify.okta.transport import OktaTransport

from ..conftest import KeyPool
from ..faults import FaultServer, Peer, json_answer
from .exchanges import PATH, SECRET, exchange


def _certificate(key_pool: KeyPool, path: Path, *, address: str, ends: timedelta) -> Path:
    """Write a self-signed certificate and its key to one PEM file; return the path."""
    key, now = key_pool(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=2))
        .not_valid_after(now + ends)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
        + made.public_bytes(encoding)
    )
    return path


@pytest.fixture(scope="module")
def certificate(key_pool: KeyPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    return _certificate(key_pool, path, address="127.0.0.1", ends=timedelta(hours=1))


@pytest.mark.parametrize(
    ("address", "ends"),
    [("127.0.0.2", timedelta(hours=1)), ("127.0.0.1", timedelta(hours=-1))],
    ids=["another name", "expired"],
)
def test_a_trusted_certificate_that_does_not_fit(
    key_pool: KeyPool, tmp_path: Path, address: str, ends: timedelta
) -> None:
    """A trusted certificate that is expired or of another host is refused; no request is sent."""
    path = _certificate(key_pool, tmp_path / "tls.pem", address=address, ends=ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with FaultServer(json_answer(200, {}), tls=context) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET), verify=str(path))
        with pytest.raises(TransportError, match="TLS certificate was not accepted"):
            transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
        transport.close()
    assert server.requests == []


def test_a_name_that_does_not_resolve() -> None:
    """The error names an org whose host does not resolve (.invalid: RFC 6761 section 6.4)."""
    with pytest.raises(TransportError, match=r"be resolved \(https://no-such-org.invalid\)"):
        exchange("https://no-such-org.invalid")


def _server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[FaultServer]:
    with FaultServer(json_answer(200, {}), tls=_server_tls(certificate)) as server:
        yield server


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_proxy(tls_server: FaultServer, certificate: Path, scheme: str) -> None:
    """TLS goes through the proxy to the org, so that the proxy does not see the token."""
    host, port = tls_server.url.removeprefix("https://").split(":")

    def tunnel(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection((host, int(port))) as far:
            back = threading.Thread(target=_copy, args=(far, peer.connection))
            back.start()
            _copy(peer.connection, far)
            back.join()

    with FaultServer(tunnel, tls=_server_tls(certificate) if scheme == "https" else None) as proxy:
        transport = OktaTransport(
            tls_server.url, ApiToken(SECRET), verify=str(certificate), proxies={"https": proxy.url}
        )
        answer = transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
        transport.close()
    assert answer.json_object() == {}
    assert proxy.requests[0].line.startswith(f"CONNECT {host}:{port}")
    assert SECRET not in str(proxy.requests[0].headers)


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\0"])
def test_a_file_that_is_no_bundle(tmp_path: Path, content: bytes) -> None:
    """A file that is not a CA bundle is refused at construction, not at the first call."""
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigurationError, match="HOOKKEY_CA_BUNDLE"):
        OktaTransport("https://acme.okta.com", ApiToken(SECRET), verify=str(tmp_path / "ca.pem"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_a_directory_of_certificates(
    tls_server: FaultServer, certificate: Path, tmp_path: Path
) -> None:
    """``verify`` may be a directory of certificates, named by their hash as in OpenSSL."""
    command = ["openssl", "x509", "-noout", "-hash", "-in", str(certificate)]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    shutil.copy(certificate, tmp_path / f"{name}.0")
    transport = OktaTransport(tls_server.url, ApiToken(SECRET), verify=str(tmp_path))
    assert transport.exchange("GET", PATH, deadline=monotonic_clock() + 5).status == 200
    transport.close()


def test_an_empty_directory_of_certificates(tls_server: FaultServer, tmp_path: Path) -> None:
    """With an empty directory, no certificate is accepted; certifi's are not used."""
    transport = OktaTransport(tls_server.url, ApiToken(SECRET), verify=str(tmp_path))
    with pytest.raises(TransportError, match="TLS certificate was not accepted"):
        transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
    transport.close()
    assert tls_server.requests == []


def test_an_unknown_certificate_of_a_proxy(certificate: Path) -> None:
    """The certificate of an https proxy is verified, also for a URL with http."""
    with FaultServer(json_answer(200, {}), tls=_server_tls(certificate)) as proxy:
        for url in ("https://acme.okta.com", "http://127.0.0.1:1"):
            with pytest.raises(TransportError, match="the proxy did not answer"):
                exchange(url, proxies={"http": proxy.url, "https": proxy.url})
    assert proxy.requests == []


def test_an_unknown_certificate_is_refused(tls_server: FaultServer) -> None:
    """An unknown certificate is refused before a request is sent; the error names ``verify``."""
    with pytest.raises(TransportError, match="verify= takes the path of a CA bundle"):
        exchange(tls_server.url)
    assert tls_server.requests == []


def test_a_ca_bundle_is_used(
    tls_server: FaultServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transport trusts the CA bundle of ``verify`` and ignores REQUESTS_CA_BUNDLE."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.parent / "absent.pem"))
    transport = OktaTransport(tls_server.url, ApiToken(SECRET), verify=str(certificate))
    assert transport.exchange("GET", PATH, deadline=monotonic_clock() + 5).status == 200
    transport.close()
