import type { BrowserContextOptions } from "playwright-core";
import { describe, expect, test } from "vitest";

import { violations } from "../support/axe";
import { page, tag } from "../support/pages";
import { answer } from "../support/servers";
import { events, type Scene, stage, watched } from "../support/stage";

const { shop, open } = stage();

async function loaded(html: string, options?: Parameters<typeof open>[1]): Promise<Scene> {
  const scene = await open(html, options);
  await scene.cards.getByRole("link").first().waitFor();
  return scene;
}

/** Where everything in the carousel stands, and how it looks, to compare one page with another. */
function looks({ carousel }: Scene) {
  return carousel.evaluate((element) => {
    const parts = [...(element.shadowRoot?.querySelectorAll("[part]") ?? [])];
    const origin = element.shadowRoot?.querySelector("section")?.getBoundingClientRect();
    return parts.map((part) => {
      const box = part.getBoundingClientRect();
      const { color, fontSize, lineHeight, textTransform, display, visibility } = getComputedStyle(part);
      const place = [box.x - (origin?.x ?? 0), box.y - (origin?.y ?? 0), box.width, box.height].map(Math.round);
      return { part: part.getAttribute("part"), place, color, fontSize, lineHeight, textTransform, display, visibility };
    });
  });
}

describe("a page's own styles leave the carousel as it is", () => {
  const FRAME = "main { display: block; width: 1000px; font-family: sans-serif }";
  let plain: Awaited<ReturnType<typeof looks>> | undefined;

  test.each([
    ["everything unset", "* { all: unset } style, script, head, template { display: none }"],
    ["huge lines and letters", "* { line-height: 90px; letter-spacing: 1em; word-spacing: 2em; text-transform: uppercase }"],
    ["no pictures, lists or links", "img, svg, ul, li, a, button, section, h2 { display: none !important }"],
    ["a small root", "html { font-size: 40% } body { font-size: 7px }"],
    ["important colours", "*, *::before { color: red !important; background: lime !important; border: 9px solid !important }"],
    ["broken boxes", "* { box-sizing: content-box; padding: 20px; margin: 9px; float: left; position: relative }"],
    ["text of its own kind", "body { text-align: right; white-space: nowrap; text-indent: 40px; cursor: wait; user-select: none }"],
  ])("%s", async (_, hostile) => {
    plain ??= await looks(await loaded(page(tag(shop), `<style>${FRAME}</style>`)));
    const scene = await loaded(page(tag(shop), `<style>${hostile} ${FRAME}</style>`));
    expect(await looks(scene)).toEqual(plain);
  });
});

test("a strict Content-Security-Policy is kept", async () => {
  shop.headers = {
    "Content-Security-Policy":
      `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src ${shop.endpoint}; ` +
      "require-trusted-types-for 'script'",
  };
  shop.script = answer(6, (item) => ({ ...item, img_url: item.rank > 3 ? "" : item.img_url }));
  const scene = await loaded(page(tag(shop)));
  const look = await scene.cards.first().evaluate((card) => getComputedStyle(card).flexGrow + getComputedStyle(card).minWidth);
  expect(look).toBe("00px");
  await scene.carousel.locator("[part=drawing]").first().waitFor();
  const background = await scene.carousel.locator("[part=drawing]").first().evaluate((svg) => getComputedStyle(svg).background);
  expect(background).toMatch(/oklch/);
});

describe("widths", () => {
  test.each([320, 390, 768, 1280, 1920, 2560])("%i px", async (width) => {
    const scene = await loaded(tag(shop, { n: "24" }), { viewport: { width, height: 800 } });
    const overflow = await scene.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    const [card, all] = await Promise.all([scene.cards.first().boundingBox(), scene.carousel.boundingBox()]);
    const whole = Math.floor((all?.width ?? 0) / (card?.width ?? 1));
    expect(whole).toBeGreaterThanOrEqual(width < 400 ? 1 : 3);
    expect((card?.width ?? 0) >= 144 && (card?.width ?? 0) <= 260).toBe(true);
    expect((await watched(scene.page)).shift).toBe(0);
  });

  test("200 % zoom and letters twice the size", async () => {
    const zoomed = { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 };
    const large = "<style>recsys-carousel { --recsys-font-size: 32px }</style>";
    const scene = await loaded(page(tag(shop), large), zoomed);
    const clipped = await scene.carousel.evaluate((element) => {
      const rows = [...(element.shadowRoot?.querySelectorAll("[part=price], [part=heading]") ?? [])];
      return rows.filter((row) => row.scrollWidth > row.clientWidth + 1).length;
    });
    expect(clipped).toBe(0);
    expect(await violations(scene.page)).toEqual([]);
  });

  test("a column that is narrow, and one in a row of columns", async () => {
    const columns = `<div style="display: flex; width: 900px"><div style="flex: none; width: 300px">x</div>${tag(shop)}</div>`;
    const scene = await loaded(columns);
    expect((await scene.carousel.boundingBox())?.width).toBe(600);
  });
});

describe("modes", () => {
  const MODES: [string, BrowserContextOptions, string][] = [
    ["light", { colorScheme: "light" }, "light dark"],
    ["dark", { colorScheme: "dark" }, "light dark"],
    ["light on a page that knows no dark", { colorScheme: "dark" }, "normal"],
    ["forced colours", { forcedColors: "active" }, "light dark"],
  ];

  test.each(MODES)("%s", async (_, options, scheme) => {
    const style = `<style>:root { color-scheme: ${scheme} } body { background: Canvas; color: CanvasText }</style>`;
    const scene = await loaded(page(tag(shop), style), options);
    const color = await scene.carousel.locator("[part=title]").first().evaluate((title) => getComputedStyle(title).color);
    const isDark = options.colorScheme === "dark" && scheme !== "normal";
    if (!options.forcedColors) expect(color).toBe(isDark ? "rgb(244, 244, 245)" : "rgb(24, 24, 27)");
    expect(await violations(scene.page)).toEqual([]);
  });

  test("a theme that the shop chose", async () => {
    const scene = await loaded(page(tag(shop, { theme: "dark" }), "<style>body { background: #111; color: #eee }</style>"));
    const color = await scene.carousel.locator("[part=title]").first().evaluate((title) => getComputedStyle(title).color);
    expect(color).toBe("rgb(244, 244, 245)");
    expect(await violations(scene.page)).toEqual([]);
  });

  test("right to left", async () => {
    const scene = await loaded(page(tag(shop), "", 'lang="ar" dir="rtl"'));
    const [card, all] = await Promise.all([scene.cards.first().boundingBox(), scene.carousel.boundingBox()]);
    expect((card?.x ?? 0) + (card?.width ?? 0)).toBe((all?.x ?? 0) + (all?.width ?? 0));
    expect(await violations(scene.page)).toEqual([]);
  });
});

describe("in the document", () => {
  test("two carousels do not know of each other", async () => {
    const second = tag(shop, { kind: "similar", "item-id": "i5", heading: "Alike" });
    const scene = await loaded(tag(shop) + second);
    const alike = scene.page.getByRole("region", { name: "Alike" });
    await alike.getByRole("link").first().waitFor();
    await alike.getByRole("button", { name: "More products" }).click();
    await expect.poll(() => alike.getByRole("button", { name: "Previous products" }).getAttribute("aria-disabled")).toBe("false");
    const other = scene.page.getByRole("region", { name: "Popular right now" });
    expect(await other.getByRole("button", { name: "Previous products" }).getAttribute("aria-disabled")).toBe("true");
    expect(shop.calls.map(({ path }) => path).sort()).toEqual(["/v1/recommendations?kind=popular&n=12", "/v1/recommendations?kind=similar&n=12&item_id=i5"]);
    expect(await violations(scene.page)).toEqual([]);
  });

  test("moved: it keeps what it shows and asks nothing", async () => {
    const scene = await loaded(`${tag(shop)}<aside id="elsewhere"></aside>`);
    await scene.carousel.evaluate((element) => {
      element.shadowRoot?.querySelector("a")?.setAttribute("data-mark", "");
      document.querySelector("#elsewhere")?.append(element);
    });
    await scene.page.waitForTimeout(100);
    expect(await scene.page.locator("#elsewhere [data-mark]").count()).toBe(1);
    await scene.carousel.getByRole("button", { name: "More products" }).click();
    await expect.poll(() => scene.carousel.getByRole("button").first().getAttribute("aria-disabled")).toBe("false");
    expect(shop.calls).toHaveLength(1);
  });

  test("removed: requests end, nothing is told any more; put back, it asks anew", async () => {
    const scene = await loaded(tag(shop));
    const element = await scene.carousel.elementHandle();
    await element.evaluate((carousel) => carousel.remove());
    await scene.page.waitForTimeout(1300);
    expect((await watched(scene.page)).events).toEqual([]);
    await element.evaluate((carousel) => document.body.append(carousel));
    await scene.cards.getByRole("link").first().waitFor();
    expect(shop.calls).toHaveLength(2);
    expect(await events(scene.page, "recsys:impression")).not.toEqual([]);
  });

  test("the script twice, and deferred", async () => {
    const script = '<script defer src="/recsys-carousel.js"></script>';
    await loaded(`<!doctype html><html lang="en"><head><title>Shop</title>${script}${script}</head><body>${tag(shop)}</body></html>`);
    expect(shop.calls).toHaveLength(1);
  });

  test("a page in another encoding shows the same words", async () => {
    shop.headers = { "Content-Type": "text/html; charset=windows-1250" };
    const scene = await loaded(page(tag(shop, { locale: "cs" })).replace("utf-8", "windows-1250"));
    expect(await scene.carousel.getByRole("heading").innerText()).toBe("Právě oblíbené");
  });

  test("hidden by the shop, it is hidden", async () => {
    const scene = await open(tag(shop).replace("<recsys-carousel", "<recsys-carousel hidden"));
    await expect.poll(() => shop.calls.length).toBe(1);
    expect(await scene.carousel.isVisible()).toBe(false);
  });
});
