"""OktaTransport: the org URL and the other arguments."""

from __future__ import annotations

import pytest

from hookkey_verify import ApiToken, ConfigurationError
from hookkey_verify.okta.transport import OktaTransport, check_org_url

from ..faults import all_text
from .exchanges import SECRET


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("https://acme.okta.com", "https://acme.okta.com"),
        ("https://acme.okta.com/", "https://acme.okta.com"),
        ("HTTPS://Acme.OKTA.com", "https://acme.okta.com"),
        ("https://acme.oktapreview.com:8443", "https://acme.oktapreview.com:8443"),
        ("https://login.acme.com", "https://login.acme.com"),
        ("https://administration.acme.com", "https://administration.acme.com"),
        ("https://192.0.2.7", "https://192.0.2.7"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_org_url_is_reduced_to_scheme_host_and_port(given: str, taken: str) -> None:
    """An org URL may be any host with https or a loopback host with http; it is normalized."""
    assert check_org_url(given) == taken


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("http://acme.okta.com", "https://"),
        ("http://localhost.acme.com", "https://"),
        ("http://127.0.0.1.acme.com", "https://"),
        ("http://[2001:db8::1]", "https://"),
        ("http://0.0.0.0", "https://"),
        ("ftp://acme.okta.com", "https://"),
        ("//acme.okta.com", "https://"),
        ("acme.okta.com", "a plain URL"),
        ("", "a plain URL"),
        ("https://", "a plain URL"),
        ("https:///api", "a plain URL"),
        ("https://user@acme.okta.com", "a plain URL"),
        ("https://user:pass@acme.okta.com", "a plain URL"),
        ("https://:pass@acme.okta.com", "a plain URL"),
        ("https://@evil.example", "a plain URL"),
        ("https://acme.okta.com/oauth2/default", "did you mean https://acme.okta.com?"),
        ("https://acme.okta.com//", "did you mean https://acme.okta.com?"),
        ("https://acme.okta.com?a=b", "a plain URL"),
        ("https://acme.okta.com#top", "a plain URL"),
        ("https://acme.okta.com:port", "a plain URL"),
        ("https://acme.okta.com:65536", "a plain URL"),
        ("https://[::1", "a plain URL"),
        ("https://acme.okta.com\\@evil.example", "a plain URL"),
        ("https://{yourOktaDomain}", "placeholder"),
        ("https://acme_x.okta.com", "character"),
        ("https://ac me.okta.com", "character"),
        ("https://acme%2eokta.com", "character"),
        ("https://[fe80::1%25eth0]", "character"),
        ("https://ácme.okta.com", "character"),
        ("https://acme。okta.com", "character"),
        ("https://acme-admin.okta.com", "did you mean https://acme.okta.com?"),
        ("https://ACME-ADMIN.oktapreview.com", "did you mean https://acme.oktapreview.com?"),
        ("https://acme..okta.com", "character"),
        ("https://.", "character"),
        (" https://acme.okta.com", "character"),
        ("https://acme.okta.com\n", "character"),
        ("https://ac\tme.okta.com", "character"),
        ("https://acme.okta.com:0", "port 0"),
        (None, "must be a string"),
        (b"https://acme.okta.com", "must be a string"),
        (5, "must be a string"),
        (["https://acme.okta.com"], "must be a string"),
    ],
)
def test_refused_org_urls(given: object, problem: str) -> None:
    """A value that is not exactly the URL of one org is refused; the error names the problem."""
    with pytest.raises(ConfigurationError, match=problem) as caught:
        check_org_url(given)
    assert "org_url" in str(caught.value)


def test_org_url_is_not_repeated_when_it_holds_a_password() -> None:
    """The error for a refused URL does not contain the password of that URL."""
    with pytest.raises(ConfigurationError) as caught:
        check_org_url(f"https://user:{SECRET}@acme.okta.com")
    assert SECRET not in all_text(caught.value)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"credentials": SECRET}, "credentials"),
        ({"credentials": None}, "credentials"),
        ({"credentials": ("user", SECRET)}, "credentials"),
        ({"verify": False}, "verify"),
        ({"verify": ""}, "verify"),
        ({"verify": None}, "verify"),
        ({"verify": 1}, "verify"),
        ({"verify": "/no/such/bundle.pem"}, "verify"),
        ({"proxies": "http://proxy.acme.com"}, "proxies"),
        ({"proxies": 5}, "proxies"),
        ({"proxies": {"all": "http://proxy.acme.com"}}, "proxies must map"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments: dict[str, object], named: str) -> None:
    """A wrong argument is refused at construction; TLS verification cannot be switched off."""
    given = {"credentials": ApiToken(SECRET), **arguments}
    with pytest.raises(ConfigurationError, match=named) as caught:
        OktaTransport("https://acme.okta.com", **given)  # type: ignore[arg-type]
    assert SECRET not in all_text(caught.value)


def test_repr_shows_the_org_and_no_secret() -> None:
    """The repr of a transport shows its org and not its token."""
    transport = OktaTransport("https://acme.okta.com", ApiToken(SECRET))
    assert repr(transport) == "OktaTransport('https://acme.okta.com')"
    assert SECRET not in repr(vars(transport))
    transport.close()
