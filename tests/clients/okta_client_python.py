"""okta-client-python: discovery and client authentication.

The library has no client credentials flow. The script therefore changes its JWT bearer request to
that grant.
"""

from __future__ import annotations

import uuid
from typing import Any

from okta_client.authfoundation import LocalKeyProvider, OAuth2Client, OAuth2ClientConfiguration
from okta_client.authfoundation.authentication import StandardAuthenticationContext
from okta_client.authfoundation.oauth2.client_authorization import (
    ClientAssertionAuthorization,
    ClientAuthorization,
    ClientSecretAuthorization,
)
from okta_client.authfoundation.oauth2.jwt_bearer_claims import JWTBearerClaims
from okta_client.oauth2auth.jwt_bearer import JWTBearerTokenRequest
from report import CONFIG, call_hook, report

SERVER = CONFIG["server"]


class ClientCredentialsRequest(JWTBearerTokenRequest):  # type: ignore[misc]
    """A token request with the client credentials grant."""

    @property
    def body_parameters(self) -> dict[str, Any]:
        """Return the form without the assertion of the JWT bearer grant."""
        parameters = {**super().body_parameters, "grant_type": "client_credentials"}
        del parameters["assertion"]
        return parameters


def private_key(app: dict[str, Any], algorithm: str) -> ClientAuthorization:
    """Return the authorization with a signed assertion for this app."""
    claims = JWTBearerClaims(
        issuer=app["clientId"],
        subject=app["clientId"],
        audience=f"{SERVER['issuer']}/v1/token",
        expires_in=300,
        jwt_id=str(uuid.uuid4()),
    )
    signer = LocalKeyProvider.from_pem(app["pem"], algorithm=algorithm, key_id=app["kid"])
    return ClientAssertionAuthorization(assertion_claims=claims, key_provider=signer)


def client(authorization: ClientAuthorization | None = None) -> Any:
    """Return a client of the custom authorization server."""
    configuration = OAuth2ClientConfiguration(
        issuer=SERVER["issuer"], scope=SERVER["scope"], client_authorization=authorization
    )
    return OAuth2Client(configuration)


async def client_credentials(authorization: ClientAuthorization) -> None:
    """Get an access token and call the hook with it."""
    of_client = client(authorization)
    request = ClientCredentialsRequest(
        _oauth_authorization_server=await of_client.fetch_oauth_server_metadata(),
        _client_configuration=of_client.configuration,
        additional_parameters=None,
        context=StandardAuthenticationContext(),
        assertion="",
    )
    token = (await of_client.exchange(request)).result
    call_hook(SERVER["hook"], token.access_token)


def with_secret() -> ClientAuthorization:
    """Return the authorization with the client secret in the form."""
    app = SERVER["secretApp"]
    return ClientSecretAuthorization(id=app["clientId"], secret=app["secret"])


report(
    {
        "discovery: openid-configuration": lambda: client().fetch_openid_configuration(),
        "discovery: oauth-authorization-server": lambda: client().fetch_oauth_server_metadata(),
        "discovery: keys": lambda: client().fetch_jwks(),
        "client credentials, private key RS256": lambda: client_credentials(
            private_key(SERVER["rsaApp"], "RS256")
        ),
        "client credentials, private key ES256": lambda: client_credentials(
            private_key(SERVER["ecApp"], "ES256")
        ),
        "client credentials, secret in the form": lambda: client_credentials(with_secret()),
    }
)
