import { beforeAll, describe, expect, test } from "vitest";

import { violations } from "../support/axe";
import { buildHost } from "../support/react-host";
import { answer, fail } from "../support/servers";
import { stage, watched } from "../support/stage";

const { shop, open } = stage();

describe.each([
  ["18", "tests/hosts/react-18"],
  ["19", ""],
])("React %s", (major, home) => {
  beforeAll(async () => {
    const { script, styles } = await buildHost(home);
    shop.files.set(`/${major}.js`, script).set(`/${major}.css`, styles);
  });

  async function openHost() {
    const scene = await open(`<!doctype html><html lang="de"><head><title>Shop</title>
      <link rel="stylesheet" href="/${major}.css"></head><body><main><h1>Shop</h1><div id="root"></div></main>
      <script>window.host = { endpoint: "${shop.endpoint}", told: [] }</script>
      <script src="/${major}.js"></script></body></html>`);
    return { ...scene, host: () => scene.page.evaluate(() => window.host) };
  }

  test("renders, tells what is seen and followed, and is accessible", async () => {
    shop.script = answer(8);
    const { page, host } = await openHost();
    const region = page.getByRole("region", { name: "Ähnliche Artikel" });
    await region.getByRole("link").first().waitFor();
    expect((await host()).version).toMatch(new RegExp(`^${major}\\.`));
    expect(await region.getByRole("listitem").first().locator("[part=price]").innerText()).toBe("1,39\u00a0€");
    await region.getByRole("link").nth(1).click();
    const about = { placement: "product", kind: "similar", bundle_id: "b-2026" };
    expect((await host()).told).toContainEqual(["click", { ...about, item_id: "i1", rank: 2, rung: "popular" }]);
    await expect.poll(async () => (await host()).told.map(([name]) => name)).toContain("impression");
    expect(await violations(page)).toEqual([]);
    expect((await watched(page)).shift).toBe(0);
  });

  test("turns pages and moves the focus by keys", async () => {
    const { page } = await openHost();
    const links = page.getByRole("region").getByRole("link");
    await links.first().focus();
    await page.keyboard.press("End");
    expect(await links.last().evaluate((link) => link === document.activeElement)).toBe(true);
    await expect.poll(() => page.getByRole("button", { name: "Weitere Artikel" }).getAttribute("aria-disabled")).toBe("true");
  });

  test("tells of a failure and shows nothing", async () => {
    shop.script = fail(404);
    const { page, host } = await openHost();
    await expect.poll(async () => (await host()).told).toMatchObject([["error", { code: "http", status: 404 }]]);
    expect(await page.getByRole("region").count()).toBe(0);
  });
});
