// @okta/okta-sdk-nodejs. It sends a DPoP proof for every service app.
import okta from "@okta/okta-sdk-nodejs";

import { config, expectNames, report } from "./report.mjs";

const { org } = config;

function withToken() {
  return new okta.Client({ orgUrl: org.url, token: org.apiToken });
}

function withPrivateKey(app) {
  return new okta.Client({
    orgUrl: org.url,
    authorizationMode: "PrivateKey",
    clientId: app.clientId,
    scopes: org.scopes,
    privateKey: app.pem,
    keyId: app.kid,
  });
}

async function listInlineHooks(client) {
  const names = [];
  await (await client.inlineHookApi.listInlineHooks()).each((hook) => names.push(hook.name));
  expectNames(names, org.inlineHooks);
}

async function listHookKeys(client) {
  const names = [];
  await (await client.hookKeyApi.listHookKeys()).each((key) => names.push(key.name));
  expectNames(names, org.hookKeys);
}

await report({
  "SSWS: inline hooks": () => listInlineHooks(withToken()),
  "SSWS: hook keys": () => listHookKeys(withToken()),
  "private key, app without DPoP: inline hooks": () => listInlineHooks(withPrivateKey(org.bearerApp)),
  "private key, app without DPoP: hook keys": () => listHookKeys(withPrivateKey(org.bearerApp)),
  "private key, app with DPoP: inline hooks": () => listInlineHooks(withPrivateKey(org.dpopApp)),
  "private key, app with DPoP: hook keys": () => listHookKeys(withPrivateKey(org.dpopApp)),
});
