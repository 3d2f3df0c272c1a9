// oauth4webapi: discovery, the client credentials grant and validation of access tokens.
import * as oauth from "oauth4webapi";

import { callHook, config, report } from "./report.mjs";

const { server, tokenEndpoint } = config;
const insecure = { [oauth.allowInsecureRequests]: true }; // the test server uses plain HTTP on loopback
const endpointMetadata = {
  issuer: tokenEndpoint.issuer,
  token_endpoint: tokenEndpoint.url,
  jwks_uri: tokenEndpoint.jwks,
};

async function privateKey({ jwk, kid }, algorithm, options) {
  const parameters = {
    RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    ES256: { name: "ECDSA", namedCurve: "P-256" },
  }[algorithm];
  const key = await crypto.subtle.importKey("jwk", jwk, parameters, false, ["sign"]);
  return oauth.PrivateKeyJwt({ key, kid }, options);
}

/** Okta requires the endpoint as the audience of an assertion; the library sets the issuer. */
function audience(url) {
  return { [oauth.modifyAssertion]: (_header, payload) => (payload.aud = url) };
}

async function discover(algorithm) {
  const issuer = new URL(server.issuer);
  const answer = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
  return oauth.processDiscoveryResponse(issuer, answer);
}

async function accessToken(as, app, authentication, scope) {
  const client = { client_id: app.clientId };
  const answer = await oauth.clientCredentialsGrantRequest(
    as, client, authentication, { scope }, insecure,
  );
  return (await oauth.processClientCredentialsResponse(as, client, answer)).access_token;
}

async function atServer(app, authentication) {
  const token = await accessToken(await discover("oidc"), app, authentication, server.scope);
  await callHook(server.hook, token);
}

async function atTokenEndpoint(app, authentication) {
  const token = await accessToken(endpointMetadata, app, authentication, tokenEndpoint.scope);
  await callHook(tokenEndpoint.hook, token);
  return token;
}

async function serverWithKey(app, algorithm) {
  const options = audience(`${server.issuer}/v1/token`);
  await atServer(app, await privateKey(app, algorithm, options));
}

async function tokenEndpointWithKey(options) {
  const app = tokenEndpoint.keyClient;
  await atTokenEndpoint(app, await privateKey(app, "RS256", options));
}

/** Okta's error is "The audience claim for client_assertion must be the endpoint invoked". */
async function refusedForIssuer() {
  const app = server.rsaApp;
  try {
    await atServer(app, await privateKey(app, "RS256"));
  } catch (error) {
    if (error.error === "invalid_client") return;
    throw error;
  }
  throw new Error("the assertion was accepted");
}

async function validate() {
  const app = tokenEndpoint.secretClient;
  const token = await atTokenEndpoint(app, oauth.ClientSecretPost(app.secret));
  const headers = { Authorization: `Bearer ${token}` };
  const request = new Request(tokenEndpoint.hook, { headers });
  await oauth.validateJwtAccessToken(
    endpointMetadata, request, tokenEndpoint.audience, insecure,
  );
}

const [serverSecret, endpointSecret] = [server.secretApp, tokenEndpoint.secretClient];
await report({
  "authorization server: discovery": () => discover("oidc"),
  "authorization server: PrivateKeyJwt RS256": () => serverWithKey(server.rsaApp, "RS256"),
  "authorization server: PrivateKeyJwt ES256": () => serverWithKey(server.ecApp, "ES256"),
  "authorization server: PrivateKeyJwt with the issuer as aud is refused, as by Okta":
    refusedForIssuer,
  "authorization server: ClientSecretBasic": () =>
    atServer(serverSecret, oauth.ClientSecretBasic(serverSecret.secret)),
  "authorization server: ClientSecretPost": () =>
    atServer(serverSecret, oauth.ClientSecretPost(serverSecret.secret)),
  "TokenEndpoint: PrivateKeyJwt, aud is the issuer (default)": () => tokenEndpointWithKey(),
  "TokenEndpoint: PrivateKeyJwt, aud is the token URL": () =>
    tokenEndpointWithKey(audience(tokenEndpoint.url)),
  "TokenEndpoint: ClientSecretBasic": () =>
    atTokenEndpoint(endpointSecret, oauth.ClientSecretBasic(endpointSecret.secret)),
  "TokenEndpoint: ClientSecretPost": () =>
    atTokenEndpoint(endpointSecret, oauth.ClientSecretPost(endpointSecret.secret)),
  "TokenEndpoint: its access token is one of RFC 9068": validate,
});
