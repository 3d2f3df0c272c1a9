// An inline hook handler that does not use hookkey_verify. Test it with `hookkey fire`:
//   npm install
//   ISSUER=https://acme.okta.com/oauth2/aus1 AUDIENCE=api://hooks CLIENT_ID=0oa1 npm start
//   hookkey fire http://localhost:3000/hook ...
// JWKS is the file or URL of the issuer's keys; the default is ISSUER/v1/keys.
import { readFileSync } from "node:fs";

import express from "express";
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from "jose";

const { ISSUER, AUDIENCE, CLIENT_ID, JWKS = `${ISSUER}/v1/keys`, PORT = "3000" } = process.env;
const keys = /^https?:/.test(JWKS)
  ? createRemoteJWKSet(new URL(JWKS))
  : createLocalJWKSet(JSON.parse(readFileSync(JWKS, "utf8")));

async function protect(request, response, next) {
  const [, token] = /^Bearer ([^ ]+)$/.exec(request.get("Authorization") ?? "") ?? [];
  try {
    const { payload } = await jwtVerify(token ?? "", keys, {
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithms: ["RS256"],
      requiredClaims: ["exp"],
    });
    if (payload.cid !== CLIENT_ID) throw new Error("another client");
    next();
  } catch {
    response.status(401).set("WWW-Authenticate", "Bearer").end();
  }
}

const app = express();
app.post("/hook", protect, express.json(), (request, response) => {
  response.json({ commands: [] });
});
const server = app.listen(Number(PORT), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/hook`);
});
