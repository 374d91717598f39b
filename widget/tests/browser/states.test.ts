import { describe, expect, test } from "vitest";

import { violations } from "../support/axe";
import { tag } from "../support/pages";
import { answer, fail, say, type Script, silence } from "../support/servers";
import { events, type Scene, stage, watched } from "../support/stage";

const { shop, open } = stage();

const FAR_DOWN = '<div style="height: 200vh"></div>';

/** Holds the answer back until `release` is called. */
function held(script: Script): { script: Script; release: () => void } {
  let release: () => void;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    script: async (...args) => {
      await gate;
      await script(...args);
    },
    release: () => release(),
  };
}

async function expectFlawless({ page }: Scene): Promise<void> {
  expect(await violations(page)).toEqual([]);
  expect((await watched(page)).shift).toBe(0);
}

describe("with items", () => {
  test.each([1, 2, 12, 24])("%i", async (count) => {
    shop.script = answer(count);
    const scene = await open(tag(shop, { n: String(count) }));
    await scene.cards.nth(count - 1).waitFor({ state: "attached" });
    expect(await scene.cards.count()).toBe(count);
    expect(await scene.region.getAttribute("aria-busy")).toBe("false");
    await expectFlawless(scene);
  });
});

test("loading: a skeleton of the final size that says it is busy", async () => {
  const { script, release } = held(answer(12));
  shop.script = script;
  const scene = await open(tag(shop));
  await scene.carousel.locator("[part=skeleton]").first().waitFor();
  const before = await scene.carousel.boundingBox();
  expect(await scene.region.getAttribute("aria-busy")).toBe("true");
  expect(await scene.carousel.getByRole("button").count()).toBe(0);
  expect(await violations(scene.page)).toEqual([]);
  release();
  await scene.cards.getByRole("link").first().waitFor();
  expect(await scene.carousel.boundingBox()).toEqual(before);
  await expectFlawless(scene);
});

describe("without items nothing is shown, and nothing moves", () => {
  const nothing: [string, Script, Record<string, unknown> | null][] = [
    ["an empty answer", answer(0), null],
    ["500", fail(500), { code: "http", status: 500 }],
    ["404", fail(404), { code: "http", status: 404 }],
    ["malformed JSON", say('{"items": ['), { code: "malformed" }],
    ["a page instead of JSON", say("<html>"), { code: "malformed" }],
    ["a cut connection", (_, response) => void response.socket?.destroy(), { code: "network" }],
    ["no answer in time", silence, { code: "timeout" }],
  ];

  test.each(nothing)("%s below the fold: no room is left", async (_, script, error) => {
    shop.script = script;
    const scene = await open(`${FAR_DOWN}${tag(shop, { placement: "below", "timeout-ms": "1500" })}`);
    await expect.poll(() => scene.carousel.evaluate((element) => element.shadowRoot?.innerHTML)).toBe("");
    expect((await scene.carousel.boundingBox())?.height).toBe(0);
    const details = error ? await events(scene.page, "recsys:error") : [];
    expect(details).toEqual(error ? [expect.objectContaining({ placement: "below", kind: "popular", ...error })] : []);
    expect((await watched(scene.page)).shift).toBe(0);
  });

  test("in view: the room stays empty until it is out of view", async () => {
    shop.script = answer(0);
    const scene = await open(tag(shop) + FAR_DOWN);
    await scene.carousel.locator("[part=root]").waitFor({ state: "hidden" });
    expect((await scene.carousel.boundingBox())?.height).toBeGreaterThan(200);
    expect(await scene.carousel.getByRole("region").count()).toBe(0);
    expect(await violations(scene.page)).toEqual([]);
    await scene.page.mouse.wheel(0, 1500);
    await expect.poll(() => scene.carousel.evaluate((element) => element.shadowRoot?.innerHTML)).toBe("");
    expect((await watched(scene.page)).shift).toBe(0);
  });
});

test("offline: nothing is shown, and the failure is told", async () => {
  const scene = await open("<p>No carousel yet</p>", {});
  await scene.page.context().setOffline(true);
  await scene.page.evaluate((html) => document.body.insertAdjacentHTML("beforeend", html), FAR_DOWN + tag(shop));
  expect(await events(scene.page, "recsys:error")).toMatchObject([{ code: "network" }]);
  expect(await scene.carousel.evaluate((element) => element.shadowRoot?.innerHTML)).toBe("");
});

test("a hiccup of the service is not seen", async () => {
  shop.script = (call, ...rest) => (call === 0 ? fail(503) : answer(3))(call, ...rest);
  const scene = await open(tag(shop));
  await scene.cards.getByRole("link").first().waitFor();
  expect(shop.calls).toHaveLength(2);
  await expectFlawless(scene);
});

test.each([
  [{ endpoint: "" }, "endpoint is missing"],
  [{ kind: "similar" }, "similar needs item-id"],
])("settings that are wrong are told: %o", async (attributes, message) => {
  const scene = await open(tag(shop, attributes));
  expect(await events(scene.page, "recsys:error")).toMatchObject([{ code: "setting", message }]);
  expect(shop.calls).toEqual([]);
});

test("the newest request wins, and the items before stay until it is answered", async () => {
  const { script, release } = held(answer(5));
  shop.script = (call, ...rest) => [answer(2), script, answer(3)][call]?.(call, ...rest);
  const scene = await open(tag(shop));
  await scene.cards.getByRole("link").first().waitFor();
  await scene.carousel.evaluate((element) => element.setAttribute("category", "slow"));
  await expect.poll(() => shop.calls.length).toBe(2);
  expect(await scene.cards.count()).toBe(2);
  expect(await scene.region.getAttribute("aria-busy")).toBe("true");
  await scene.carousel.evaluate((element) => element.setAttribute("category", "fast"));
  await expect.poll(() => scene.cards.count()).toBe(3);
  release();
  await scene.page.waitForTimeout(100);
  expect(await scene.cards.count()).toBe(3);
  expect((await watched(scene.page)).events.filter(({ type }) => type === "recsys:error")).toEqual([]);
});
