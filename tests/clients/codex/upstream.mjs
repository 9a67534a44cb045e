// What reached the gateway and the simulator behind it, counted by turns.

const ROUTE = "/backend-api/codex/responses";

/** An order for the simulator: it asks for this tool with this input. */
export function callOf(tool, input) {
  return { kind: "answer", with: { call_of: { tool, input } } };
}

/** The turns that reached the simulator, oldest first; warm-ups of a websocket are none. */
export async function turns(demo, transport) {
  const requests = await demo.asked(ROUTE);
  return requests.filter((one) => one.method === (transport === "http" ? "POST" : "WS") && !one.warm_up);
}

/** Requests that the gateway counted: turns of Codex CLI, and what else it asked for. The demo's own first question is none. */
export async function asked(demo) {
  const samples = Object.entries(await demo.metrics()).filter(([name]) => name.startsWith("codex_pooler_requests_total{"));
  const own = samples.filter(([name]) => !name.includes('route="GET /v1/models",status="401"'));
  const sum = (list) => list.reduce((total, [, value]) => total + value, 0);
  const ofTurns = own.filter(([name]) => name.includes(`${ROUTE}"`));
  return { turns: sum(ofTurns), others: sum(own) - sum(ofTurns) };
}
