// openid-client: discovery and the client credentials grant.
import * as client from "openid-client";

import { callHook, config, report } from "./report.mjs";

const { server, tokenEndpoint } = config;
const insecure = { execute: [client.allowInsecureRequests] }; // the test server uses plain HTTP on loopback

async function privateKey({ jwk, kid }, algorithm, options) {
  const parameters = {
    RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    ES256: { name: "ECDSA", namedCurve: "P-256" },
  }[algorithm];
  const key = await crypto.subtle.importKey("jwk", jwk, parameters, false, ["sign"]);
  return client.PrivateKeyJwt({ key, kid }, options);
}

/** Okta requires the endpoint as the audience of an assertion; the library sets the issuer. */
function audience(url) {
  return { [client.modifyAssertion]: (_header, payload) => (payload.aud = url) };
}

function discover(clientId, authentication) {
  return client.discovery(new URL(server.issuer), clientId, {}, authentication, insecure);
}

async function atServer(app, authentication) {
  const configuration = await discover(app.clientId, authentication);
  const answer = await client.clientCredentialsGrant(configuration, { scope: server.scope });
  await callHook(server.hook, answer.access_token);
}

async function atTokenEndpoint(app, authentication) {
  const { issuer, url, scope, hook } = tokenEndpoint;
  const metadata = { issuer, token_endpoint: url };
  const configuration = new client.Configuration(metadata, app.clientId, {}, authentication);
  client.allowInsecureRequests(configuration);
  const answer = await client.clientCredentialsGrant(configuration, { scope });
  await callHook(hook, answer.access_token);
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

const [serverSecret, endpointSecret] = [server.secretApp, tokenEndpoint.secretClient];
await report({
  "authorization server: discovery": () => discover("0oa1", client.None()),
  "authorization server: PrivateKeyJwt RS256": () => serverWithKey(server.rsaApp, "RS256"),
  "authorization server: PrivateKeyJwt ES256": () => serverWithKey(server.ecApp, "ES256"),
  "authorization server: PrivateKeyJwt with the issuer as aud is refused, as by Okta":
    refusedForIssuer,
  "authorization server: ClientSecretBasic": () =>
    atServer(serverSecret, client.ClientSecretBasic(serverSecret.secret)),
  "authorization server: ClientSecretPost": () =>
    atServer(serverSecret, client.ClientSecretPost(serverSecret.secret)),
  "TokenEndpoint: PrivateKeyJwt, aud is the issuer (default)": () => tokenEndpointWithKey(),
  "TokenEndpoint: PrivateKeyJwt, aud is the token URL": () =>
    tokenEndpointWithKey(audience(tokenEndpoint.url)),
  "TokenEndpoint: ClientSecretBasic": () =>
    atTokenEndpoint(endpointSecret, client.ClientSecretBasic(endpointSecret.secret)),
  "TokenEndpoint: ClientSecretPost": () =>
    atTokenEndpoint(endpointSecret, client.ClientSecretPost(endpointSecret.secret)),
});
