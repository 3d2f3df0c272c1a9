// Tries what a Node.js client can do and prints the outcomes. The client scripts import it.

/** What peers.py tells the clients. */
export const config = JSON.parse(process.argv[2]);

/** Calls each function and prints one JSON object: "ok", or "failed: " and the error. */
export async function report(tries) {
  const outcomes = {};
  for (const [name, attempt] of Object.entries(tries)) {
    outcomes[name] = await outcome(attempt);
  }
  console.log(JSON.stringify(outcomes));
}

async function outcome(attempt) {
  try {
    await attempt();
    return "ok";
  } catch (error) {
    return `failed: ${(await described(error)).replace(/\s+/g, " ")}`;
  }
}

/** Names the error and, for a refused token request, what the server said. */
async function described(error) {
  if (error?.code === "OAUTH_WWW_AUTHENTICATE_CHALLENGE") {
    return `${error.constructor.name}: ${error.status} ${await error.response.text()}`;
  }
  const server = error?.error_description ?? error?.cause?.error_description;
  const code = error?.error ?? error?.cause?.error;
  const text = server ? `${code}: ${server}` : (error?.message ?? String(error));
  return `${error?.constructor?.name}: ${text}`;
}

/** Throws unless both lists hold the same names. */
export function expectNames(given, expected) {
  const [left, right] = [given, expected].map((names) => JSON.stringify([...names].sort()));
  if (left !== right) throw new Error(`expected ${right}, got ${left}`);
}

/** Calls a hook with an access token; throws when the hook refuses it. */
export async function callHook(url, accessToken) {
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${accessToken}` } });
  if (!answer.ok) throw new Error(`the hook answered ${answer.status}: ${await answer.text()}`);
}
