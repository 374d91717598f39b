import { mkdirSync } from "node:fs";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, test } from "vitest";

import { connect, Visit } from "../support/browser";
import { page, tag } from "../support/pages";
import { answer, type Script, Shop } from "../support/servers";

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
  script: Script;
  attributes?: Record<string, string>;
  html?: string;
  prepare?: (page: Page) => Promise<void>;
}

const STATES: Record<string, State> = {
  loaded: { script: answer(12), attributes: { kind: "for-you" } },
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
    test.each(Object.entries(STATES))("%s", async (name, { script, attributes = {}, html, prepare }) => {
      shop.html = page(tag(shop, attributes), STYLE, html);
      shop.script = script;
      const visit = await Visit.begin(browser, { ...SIZES[size], colorScheme });
      await visit.page.goto(shop.origin);
      await prepare?.(visit.page);
      await visit.page.waitForLoadState("networkidle");
      await visit.page.screenshot({ path: `${FOLDER}${name}-${size}-${colorScheme}.png` });
      await visit.end();
    });
  });
});
