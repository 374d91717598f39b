import { mkdirSync } from "node:fs";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, test } from "vitest";

import { connect, Visit } from "../support/browser";
import { page, tag } from "../support/pages";
import { answer, fail, type Script, Shop, silence } from "../support/servers";

const FOLDER = new URL("../../../build/screenshots/", import.meta.url).pathname;

const SIZES = {
  phone: { viewport: { width: 390, height: 720 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
  desktop: { viewport: { width: 1280, height: 640 } },
} satisfies Record<string, BrowserContextOptions>;

/** A plain shop's page around the carousel. */
const STYLE = `<style>
  :root { color-scheme: light dark; font-family: system-ui, "DejaVu Sans", sans-serif; }
  body { margin: 0 auto; max-width: 1400px; padding: 24px clamp(16px, 4vw, 48px); background: light-dark(#fff, #101012); }
</style>`;

interface State {
  script?: Script;
  attributes?: Record<string, string>;
  /** Attributes of the document. */
  html?: string;
  prepare?: (page: Page) => Promise<void>;
}

const ARABIC = ["حليب عضوي كامل الدسم", "خبز القمح الكامل من الفرن الحجري", "زيت زيتون بكر ممتاز معصور على البارد", "طماطم"];
const GERMAN = "Bio-Vollmilchschokolade mit gerösteten Haselnüssen aus dem Piemont, fair gehandelt, 100 g";

const STATES: Record<string, State> = {
  loaded: { attributes: { kind: "for-you" } },
  loading: { script: silence, attributes: { kind: "for-you" } },
  "one item": { script: answer(1), attributes: { kind: "similar", "item-id": "i9" } },
  "two items": { script: answer(2), attributes: { kind: "bought-together", "item-id": "i9" } },
  "without pictures": { script: answer(12, (item) => ({ ...item, img_url: null })) },
  "sold out": { script: answer(12, (item) => ({ ...item, available: item.rank % 3 !== 2 })) },
  "long words": {
    script: answer(12, (item) => ({ ...item, title: GERMAN, brand: "Schokoladenmanufaktur Donaudampfschifffahrt" })),
    attributes: { kind: "session", locale: "de-AT" },
    html: 'lang="de"',
  },
  "right to left": {
    script: answer(12, (item) => ({ ...item, title: ARABIC[item.rank % 4], brand: "", reason: { code: "" } })),
    attributes: { heading: "موصى به لك", locale: "ar" },
    html: 'lang="ar" dir="rtl"',
  },
  "second page": {
    prepare: async (page) => {
      await page.getByRole("button", { name: "More products" }).click();
      await page.waitForTimeout(800);
    },
  },
  "focus on a card": {
    prepare: async (page) => {
      await page.getByRole("link").nth(1).waitFor();
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
    },
  },
  "focus on a button": {
    prepare: async (page) => {
      await page.getByRole("button", { name: "More products" }).waitFor();
      await page.keyboard.press("Tab");
      await page.keyboard.press("Tab");
    },
  },
  empty: { script: answer(0) },
  error: {
    script: fail(500),
    // The second try comes up to 750 ms after the first.
    prepare: (page) => page.getByRole("region").waitFor({ state: "detached" }),
  },
};

let browser: Browser;
let shop: Shop;

beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  browser = await connect();
  shop = await new Shop().open();
});

afterAll(async () => {
  await browser.close();
  await shop.close();
});

describe.each(Object.keys(SIZES) as (keyof typeof SIZES)[])("%s", (size) => {
  describe.each(["light", "dark"] as const)("%s", (colorScheme) => {
    test.each(Object.entries(STATES))("%s", async (name, { script = answer(12), attributes = {}, html, prepare }) => {
      shop.html = page(tag(shop, attributes), STYLE, html);
      shop.script = script;
      const visit = await Visit.begin(browser, { ...SIZES[size], colorScheme });
      await visit.page.goto(shop.origin);
      await prepare?.(visit.page);
      await visit.page.waitForTimeout(500);
      await visit.page.screenshot({ path: `${FOLDER}${name.replaceAll(" ", "-")}-${size}-${colorScheme}.png` });
      await visit.end();
    });
  });
});
