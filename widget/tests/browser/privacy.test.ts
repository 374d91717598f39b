import { describe, expect, test } from "vitest";

import { tag } from "../support/pages";
import { answer } from "../support/servers";
import { type Scene, stage } from "../support/stage";

const { shop, open } = stage();

const SHOPPER = { "user-token": "signed-token", "item-id": "i1", basket: "i2" };
const FRESH = {};

/** What the browser keeps of the visit. */
async function kept({ page }: Scene) {
  const [cookies, storage] = await Promise.all([
    page.context().cookies(),
    page.evaluate(() => ({ session: Object.entries(sessionStorage), local: Object.entries(localStorage) })),
  ]);
  return { cookies, storage };
}

const NOTHING = { cookies: [], storage: { session: [], local: [] } };

async function shown(scene: Scene): Promise<void> {
  await scene.cards.getByRole("link").first().waitFor();
}

function consent(scene: Scene, given: boolean): Promise<void> {
  return scene.page.evaluate((value) => window.RecSys?.setConsent(value), given);
}

const WITHOUT_CONSENT = ["for-you", "session", "similar", "bought-together", "basket", "popular", "newest", "on-sale"];
const WITH_CONSENT_ONLY = ["buy-again", "because-you-bought", "because-you-viewed", "recently-viewed"];

describe.each(WITHOUT_CONSENT)("without consent, %s", (kind) => {
  test("sends no id, keeps nothing and asks nobody but the service and the shop", async () => {
    const scene = await open(tag(shop, { kind, ...SHOPPER }), FRESH);
    await shown(scene);
    const [first] = shop.calls;
    expect(first?.headers).not.toHaveProperty("authorization");
    expect(first?.headers).not.toHaveProperty("cookie");
    expect(first?.headers).not.toHaveProperty("referer");
    expect(JSON.stringify(shop.calls)).not.toContain("signed-token");
    expect(await kept(scene)).toEqual(NOTHING);
    const hosts = new Set(scene.requests.map((url) => new URL(url).origin));
    expect([...hosts].sort()).toEqual([shop.origin, shop.endpoint].sort());
  });
});

test.each(WITH_CONSENT_ONLY)("without consent, %s asks nothing and shows nothing", async (kind) => {
  const scene = await open(tag(shop, { kind, ...SHOPPER }), FRESH);
  await scene.page.waitForTimeout(200);
  expect(shop.calls).toEqual([]);
  expect(await scene.carousel.evaluate((element) => element.shadowRoot?.innerHTML)).toBe("");
});

test.each([0, 1, 2, 4, 8, 16])("nothing is written after a withdrawal, %i ms after the consent", async (ms) => {
  const scene = await open(tag(shop, { kind: "similar", ...SHOPPER }), FRESH);
  await shown(scene);
  const written = await scene.page.evaluate(async (wait) => {
    const late: string[] = [];
    for (let turn = 0; turn < 20; turn += 1) {
      let withdrawn = false;
      const write = Reflect.get(Storage.prototype, "setItem");
      Storage.prototype.setItem = function (key: string, value: string) {
        if (withdrawn) late.push(value);
        write.call(this, key, value);
      };
      window.RecSys?.setConsent(true);
      await new Promise((done) => setTimeout(done, wait));
      withdrawn = true;
      window.RecSys?.setConsent(false);
      await new Promise((done) => setTimeout(done, 50));
      Storage.prototype.setItem = write;
    }
    return late;
  }, ms);
  expect(written).toEqual([]);
});

test("with consent, the shopper is named and the visit remembered", async () => {
  const scene = await open(tag(shop, { kind: "for-you", consent: "true", ...SHOPPER }), FRESH);
  await shown(scene);
  expect(shop.calls[0]?.headers.authorization).toBe("Bearer signed-token");
  expect(await kept(scene)).toEqual({ cookies: [], storage: { session: [["recsys.session", '["i1"]']], local: [] } });
  await scene.page.reload();
  await shown(scene);
  expect(JSON.parse(shop.calls[1]?.body ?? "")).toEqual({
    kind: "for-you",
    n: 12,
    basket: ["i2"],
    viewed: ["i1"],
    item_id: "i1",
  });
});

test("with consent, recently viewed shows the items of the visit", async () => {
  const scene = await open(tag(shop, { kind: "similar", consent: "true", "item-id": "i1" }), FRESH);
  await shown(scene);
  shop.script = answer(1);
  await scene.carousel.evaluate((element) => {
    element.setAttribute("item-id", "i2");
    element.setAttribute("kind", "recently-viewed");
  });
  await expect.poll(() => shop.calls.length).toBe(2);
  const told = { kind: "recently-viewed", n: 12, item_id: "i2", exclude: [], viewed: ["i1"] };
  expect(JSON.parse(shop.calls[1]?.body ?? "")).toEqual(told);
  await expect.poll(() => scene.cards.count()).toBe(1);
});

test("consent given later takes effect at once", async () => {
  const scene = await open(tag(shop, { kind: "for-you", ...SHOPPER }), FRESH);
  await shown(scene);
  await consent(scene, true);
  await expect.poll(() => shop.calls.at(-1)?.headers.authorization).toBe("Bearer signed-token");
});

describe("withdrawn consent", () => {
  test("forgets at once, and what is shown next names nobody", async () => {
    shop.script = (call, ...rest) => answer(call === 0 ? 5 : 3)(call, ...rest);
    const scene = await open(tag(shop, { kind: "for-you", consent: "true", ...SHOPPER }), FRESH);
    await shown(scene);
    const left = await scene.carousel.evaluate(async (element) => {
      window.RecSys?.setConsent(false);
      const stored = sessionStorage.length;
      await new Promise((resolve) => setTimeout(resolve));
      return { stored, links: element.shadowRoot?.querySelectorAll("a").length };
    });
    expect(left).toEqual({ stored: 0, links: 0 });
    await expect.poll(() => scene.cards.getByRole("link").count()).toBe(3);
    expect(shop.calls[1]?.headers).not.toHaveProperty("authorization");
    expect(await kept(scene)).toEqual(NOTHING);
  });

  test("drops an answer that is still on its way", async () => {
    let respond: (() => unknown) | undefined;
    shop.script = (call, ...rest) => {
      if (call > 0) return answer(2)(call, ...rest);
      respond = () => answer(9)(call, ...rest);
    };
    const scene = await open(tag(shop, { kind: "for-you", consent: "true", ...SHOPPER }), FRESH);
    await expect.poll(() => respond).toBeDefined();
    await consent(scene, false);
    respond?.();
    await expect.poll(() => scene.cards.getByRole("link").count()).toBe(2);
  });

  test("by the attribute forgets as well", async () => {
    const scene = await open(tag(shop, { kind: "for-you", consent: "true", ...SHOPPER }), FRESH);
    await shown(scene);
    await scene.carousel.evaluate((element) => element.removeAttribute("consent"));
    await expect.poll(() => shop.calls.length).toBe(2);
    expect(shop.calls[1]?.headers).not.toHaveProperty("authorization");
    expect(await kept(scene)).toEqual(NOTHING);
  });

  test("outranks a tag that says true", async () => {
    const scene = await open("<p>No carousel yet</p>", FRESH);
    await consent(scene, false);
    const late = tag(shop, { kind: "for-you", consent: "true", ...SHOPPER });
    await scene.page.evaluate((html) => document.body.insertAdjacentHTML("beforeend", html), late);
    await shown(scene);
    expect(shop.calls[0]?.headers).not.toHaveProperty("authorization");
    expect(await kept(scene)).toEqual(NOTHING);
  });
});
