// Runs the functions of a Node.js client script and prints the outcomes.
// The client scripts import this module.

/** The configuration that peers.py creates for the clients. */
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

/** Describes the error, with the server's message if it refused a token request. */
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

/** Calls a hook with an access token; throws if the hook refuses it. */
export async function callHook(url, accessToken) {
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${accessToken}` } });
  if (!answer.ok) throw new Error(`the hook answered ${answer.status}: ${await answer.text()}`);
}
