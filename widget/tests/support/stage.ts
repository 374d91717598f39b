import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";

import { connect, Visit, type Watched } from "./browser";
import { page as pageOf } from "./pages";
import { Shop } from "./servers";

/** An open page with a carousel. */
export interface Scene {
  page: Page;
  requests: string[];
  carousel: Locator;
  region: Locator;
  cards: Locator;
}

interface Stage {
  shop: Shop;
  /** Opens a page with this body, or a whole document. With options, `{}` included, the profile is a fresh one. */
  open: (html: string, options?: BrowserContextOptions) => Promise<Scene>;
}

/** A browser and a shop for the tests of a file. No test may end with anything on the console. */
export function stage(): Stage {
  const shop = new Shop();
  const visits: Visit[] = [];
  let browser: Browser;
  let usual: Visit;
  beforeAll(async () => {
    [browser] = await Promise.all([connect(), shop.open()]);
    usual = await Visit.begin(browser);
  });
  afterAll(async () => {
    await browser.close();
    await shop.close();
  });
  beforeEach(() => shop.reset());
  afterEach(async () => {
    const written = [usual, ...visits].flatMap((one) => one.console.splice(0));
    await Promise.all(visits.splice(0).map((one) => one.end()));
    expect(written).toEqual([]);
  });
  async function open(html: string, options?: BrowserContextOptions): Promise<Scene> {
    shop.html = html.startsWith("<!doctype") ? html : pageOf(html);
    const visit = options ? await Visit.begin(browser, options) : usual;
    if (options) visits.push(visit);
    const { page, requests } = visit;
    requests.length = 0;
    await page.goto(shop.origin);
    const carousel = page.locator("recsys-carousel").first();
    return { page, requests, carousel, region: carousel.getByRole("region"), cards: carousel.getByRole("listitem") };
  }
  return { shop, open };
}

export function watched(page: Page): Promise<Watched> {
  return page.evaluate(() => window.watched);
}

/** The carousel's events of a type, once there are so many. */
export async function events(page: Page, type: string, count = 1): Promise<Record<string, unknown>[]> {
  const ofType = async () => (await watched(page)).events.filter((event) => event.type === type).map(({ detail }) => detail);
  await expect.poll(async () => (await ofType()).length).toBeGreaterThanOrEqual(count);
  return ofType();
}
