// What reached the gateway and the simulator behind it, counted by turns.

const ROUTE = "/backend-api/codex/responses";

/** An order for the simulator: it asks for this tool with this input. */
export function callOf(tool, input) {
  return { kind: "answer", with: { call_of: { tool, input } } };
}

/** The turns that reached the simulator, oldest first, refused ones and the warm-ups of websockets among them. */
export async function tries(demo) {
  const requests = await demo.asked(ROUTE);
  return requests.filter((one) => one.method !== "GET");
}

/** The same without the warm-ups. */
export async function turns(demo) {
  return (await tries(demo)).filter((one) => !one.warm_up);
}

/** What the gateway counted: turns with warm-ups, and all else that was asked for. An accepted handshake is neither. */
export async function asked(demo) {
  const samples = Object.entries(await demo.metrics()).filter(([name]) =>
    name.startsWith("codex_pooler_requests_total{"),
  );
  // The first one is the demo's own, which asks whether it is up.
  const isOurs = (name) => !name.includes('route="GET /v1/models",status="401"') && !name.includes('status="101"');
  const sum = (fits) =>
    samples.filter(([name]) => isOurs(name) && fits(name)).reduce((total, [, count]) => total + count, 0);
  const turns = sum((name) => name.includes(`${ROUTE}"`));
  return { turns, others: sum(() => true) - turns };
}

/** What `asked` gives for so many turns of one run: a websocket is warmed up before the first. */
export function askedFor(turns, transport) {
  return { turns: transport === "websocket" ? turns + 1 : turns, others: 0 };
}
