// @okta/jwt-verifier: verifies an access token of the custom authorization server.
import OktaJwtVerifier from "@okta/jwt-verifier";

import { config, report } from "./report.mjs";

const { server } = config;

async function verify(assertClaims) {
  const verifier = new OktaJwtVerifier({
    issuer: server.issuer,
    assertClaims,
    testing: { disableHttpsCheck: true }, // the test server uses plain HTTP on loopback
  });
  await verifier.verifyAccessToken(server.accessToken, server.audience);
}

await report({
  "access token: signature, issuer, audience": () => verify({}),
  "access token: its scope": () => verify({ "scp.includes": [server.scope] }),
});
