// oidc-provider as the issuer; our IssuerKeys and HookVerifier verify its access tokens.
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

import Provider from "oidc-provider";

import { config, report } from "./report.mjs";

const client = { clientId: "0oa1hookclient4x7", secret: "s3cret" };
const scope = "hooks";
const audiences = { RS256: "api://rs256", ES256: "api://es256", EdDSA: "api://eddsa" };

function jwk(algorithm) {
  const { privateKey } = {
    RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    EdDSA: () => generateKeyPairSync("ed25519"),
  }[algorithm]();
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg: algorithm, kid: algorithm };
}

/** Selects a different signing algorithm for the access tokens of each resource. */
function getResourceServerInfo(_context, resource) {
  const [alg] = Object.entries(audiences).find(([, audience]) => audience === resource);
  return { scope, audience: resource, accessTokenFormat: "jwt", jwt: { sign: { alg } } };
}

async function serve() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.clientId,
        client_secret: client.secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, getResourceServerInfo },
    },
    jwks: { keys: Object.keys(audiences).map(jwk) },
    scopes: [scope],
  });
  server.on("request", provider.callback());
  return { server, issuer };
}

async function accessToken(issuer, resource) {
  const answer = await fetch(`${issuer}/token`, {
    method: "POST",
    headers: {
      Authorization: `Basic ${Buffer.from(`${client.clientId}:${client.secret}`).toString("base64")}`,
    },
    body: new URLSearchParams({ grant_type: "client_credentials", scope, resource }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`oidc-provider: ${JSON.stringify(body)}`);
  return body.access_token;
}

async function verified(issuer, algorithm) {
  const audience = audiences[algorithm];
  const token = await accessToken(issuer, audience);
  const expected = { audience, algorithm, scope, clientId: client.clientId };
  const answer = await fetch(config.verify, {
    method: "POST",
    body: JSON.stringify({ issuer, token, ...expected }),
  });
  if (!answer.ok) throw new Error(`the verifier refuses it: ${await answer.text()}`);
}

const { server, issuer } = await serve();
await report(
  Object.fromEntries(
    Object.keys(audiences).map((algorithm) => [
      `issuer of an access token signed with ${algorithm}`,
      () => verified(issuer, algorithm),
    ]),
  ),
);
server.close();
server.closeAllConnections();
