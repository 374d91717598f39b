import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";

import { load } from "../../src/api/load";
import { answer, fail, say, type Script, Shop, silence } from "../support/servers";

let shop: Shop;

beforeAll(async () => {
  shop = await new Shop().open();
});

afterAll(() => shop.close());

beforeEach(() => shop.reset());

function ask(script: Script, timeoutMs = 10_000, controller = new AbortController()) {
  shop.script = script;
  return load({ url: `${shop.endpoint}/v1/popular` }, controller, timeoutMs);
}

/** The first call fails, the second is answered. */
function once(failure: Script): Script {
  return (call, ...rest) => (call === 0 ? failure : answer(2))(call, ...rest);
}

const cut: Script = (_, response) => void response.socket?.destroy();

test("an answer", async () => {
  const { items, bundle_id } = await ask(answer(3));
  expect([items.length, bundle_id]).toEqual([3, "b-2026"]);
});

test.each([
  ["500", fail(500)],
  ["503", fail(503)],
  ["a cut connection", cut],
])("a second try after %s", async (_, failure) => {
  const { items } = await ask(once(failure));
  expect([items.length, shop.calls.length]).toEqual([2, 2]);
});

test.each([
  ["500 twice", fail(500), { code: "http", status: 500 }, 2],
  ["no connection twice", cut, { code: "network" }, 2],
  ["404", fail(404), { code: "http", status: 404 }, 1],
  ["401", fail(401), { code: "http", status: 401 }, 1],
  ["429", fail(429), { code: "http", status: 429 }, 1],
  ["no JSON", say("<html>"), { code: "malformed" }, 1],
])("%s", async (_, script, error, calls) => {
  await expect(ask(script)).rejects.toMatchObject(error);
  expect(shop.calls).toHaveLength(calls);
});

test("silence ends at the time limit", async () => {
  await expect(ask(silence, 50)).rejects.toMatchObject({ code: "timeout" });
});

test("an answer that stops in the middle ends at the time limit", async () => {
  const stalled: Script = (_, response) => void response.writeHead(200).write('{"items": [');
  await expect(ask(stalled, 50)).rejects.toMatchObject({ code: "timeout" });
});

test("the caller can end a load", async () => {
  const controller = new AbortController();
  const loading = ask(() => controller.abort(), 10_000, controller);
  await expect(loading).rejects.toBeInstanceOf(Error);
  expect(shop.calls).toHaveLength(1);
});

test("what a question lacks is an error of the settings", async () => {
  const lacking = load({ lack: "endpoint is missing" }, new AbortController(), 50);
  await expect(lacking).rejects.toMatchObject({ code: "setting", message: "endpoint is missing" });
});

test("token and body are sent as the service takes them", async () => {
  const body = { n: 3, basket: ["ä"], viewed: [] };
  await load({ url: shop.endpoint, token: "signed", body }, new AbortController(), 10_000);
  const [call] = shop.calls;
  expect(call).toMatchObject({ method: "POST", body: JSON.stringify(body) });
  expect(call?.headers).toMatchObject({ authorization: "Bearer signed", "content-type": "application/json" });
});
