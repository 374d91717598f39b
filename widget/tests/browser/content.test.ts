import { describe, expect, test } from "vitest";

import * as languages from "../../src/i18n/languages";
import { page, tag } from "../support/pages";
import { answer } from "../support/servers";
import { events, type Scene, stage, watched } from "../support/stage";

const { shop, open } = stage();

async function firstCard(scene: Scene) {
  const card = scene.cards.first();
  await card.locator("[part=title]").waitFor();
  const text = (part: string) => card.locator(`[part=${part}]`).innerText();
  return { card, title: await text("title"), price: await text("price"), reason: await text("reason") };
}

describe("item data is untrusted", () => {
  const MARKUP = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1"><b>Tea</b>';

  test("markup is shown as text", async () => {
    shop.script = answer(1, (item) => ({
      ...item,
      title: MARKUP,
      brand: MARKUP,
      category: MARKUP,
      reason: { code: "similar_to", title: MARKUP },
    }));
    const scene = await open(tag(shop));
    expect(await firstCard(scene)).toMatchObject({ title: MARKUP, reason: `Similar to \u2068${MARKUP}\u2069` });
    expect(await scene.carousel.locator("b, script, img[src=x]").count()).toBe(0);
    expect(await scene.page.evaluate(() => "hacked" in window)).toBe(false);
  });

  test.each(["javascript:alert(1)", "data:text/html,x", "", null])("%j is no link", async (url) => {
    shop.script = answer(1, (item) => ({ ...item, url }));
    const scene = await open(tag(shop));
    await firstCard(scene);
    expect(await scene.cards.getByRole("link").count()).toBe(0);
  });

  test("values of other types are left out", async () => {
    shop.script = answer(1, ({ item_id }) => ({ item_id, title: { a: 1 }, price: "3", brand: ["b"], url: 5, reason: 7 }));
    const scene = await open(tag(shop));
    expect(await firstCard(scene)).toMatchObject({ title: "i0", price: "", reason: "" });
  });
});

describe("pictures", () => {
  test.each([
    ["without an address", null],
    ["that do not load", "/missing.png"],
    ["that lead elsewhere than to http", "data:image/png;base64,AAAA"],
  ])("%s are drawn from the category", async (_, img_url) => {
    shop.script = answer(1, (item) => ({ ...item, img_url, category: "Food > éclairs" }));
    const scene = await open(tag(shop));
    const drawing = scene.carousel.locator("[part=drawing]");
    await drawing.waitFor();
    expect((await drawing.textContent())?.trim()).toBe("É");
    expect(await scene.carousel.locator("img").count()).toBe(0);
  });

  test("are lazy, sized, and decoration beside the title", async () => {
    const scene = await open(tag(shop));
    const image = scene.carousel.locator("img").first();
    await image.waitFor();
    const attributes = ["alt", "loading", "width", "height"].map((name) => image.getAttribute(name));
    expect(await Promise.all(attributes)).toEqual(["", "lazy", "320", "320"]);
  });
});

describe("languages", () => {
  test.each(["de", "cs"] as const)("%s", async (locale) => {
    const messages = languages[locale];
    const scene = await open(page(tag(shop, { kind: "similar", "item-id": "i9" }), "", `lang="${locale}"`));
    const heading = scene.carousel.getByRole("heading", { level: 2 });
    expect(await heading.innerText()).toBe(messages["heading.similar"]);
    await scene.carousel.getByRole("button", { name: messages.next }).waitFor();
    expect((await firstCard(scene)).price).toBe(new Intl.NumberFormat(locale, { style: "currency", currency: "EUR" }).format(1.39));
  });

  test("reasons in words", async () => {
    const scene = await open(tag(shop));
    await firstCard(scene);
    const reasons = await scene.carousel.locator("[part=reason]").allInnerTexts();
    expect(reasons.slice(0, 6).map((reason) => reason.replace(/[\u2068\u2069]/g, ""))).toEqual([
      "Because you bought Mountain cheese, aged nine months",
      "Popular this week",
      "Similar to Extra virgin olive oil",
      "Popular in Fruit & vegetables",
      "Goes with your basket: Sourdough bread",
      "New in the shop",
    ]);
  });

  test("a reason that is not known yet says nothing", async () => {
    shop.script = answer(1, (item) => ({ ...item, reason: { code: "not_invented_yet" } }));
    expect((await firstCard(await open(tag(shop)))).reason).toBe("");
  });

  test("every text can be replaced", async () => {
    const texts = JSON.stringify({ "heading.popular": "Hot", next: "Go on", "reason.because_you_bought": "You had {item}" });
    const scene = await open(tag(shop, { texts }));
    await scene.carousel.getByRole("button", { name: "Go on" }).waitFor();
    expect(await scene.carousel.getByRole("heading").innerText()).toBe("Hot");
    expect((await firstCard(scene)).reason).toMatch(/^You had/);
  });

  test("the currency stands in where an item names none", async () => {
    shop.script = answer(1, (item) => ({ ...item, currency: null }));
    const scene = await open(tag(shop, { locale: "de_CH", currency: "CHF" }));
    expect((await firstCard(scene)).price).toMatch(/CHF\s1\.39/);
  });

  test("an item that is sold out says so", async () => {
    shop.script = answer(2, (item) => ({ ...item, available: item.rank > 1 }));
    const scene = await open(tag(shop));
    await firstCard(scene);
    expect(await scene.carousel.locator("[part=badge]").allInnerTexts()).toEqual(["Sold out"]);
  });
});

describe("events", () => {
  const ABOUT = { placement: "home", kind: "popular", bundle_id: "b-2026" };

  test("a click tells the item and leads to its page", async () => {
    const scene = await open(tag(shop, { placement: "home" }));
    await scene.page.evaluate(() => {
      document.addEventListener("recsys:click", (event) => {
        sessionStorage.setItem("clicked", JSON.stringify((event as CustomEvent).detail));
      });
    });
    await scene.cards.getByRole("link").nth(1).click();
    await scene.page.waitForURL(`${shop.origin}/products/1`);
    const clicked = await scene.page.evaluate(() => sessionStorage.getItem("clicked") ?? "");
    expect(JSON.parse(clicked)).toEqual({ ...ABOUT, item_id: "i1", rank: 2, rung: "popular" });
    await scene.page.evaluate(() => sessionStorage.clear());
  });

  test("a shop that follows the link itself keeps the browser from it", async () => {
    const scene = await open(tag(shop));
    await scene.page.evaluate(() => document.addEventListener("recsys:click", (event) => event.preventDefault()));
    await scene.cards.getByRole("link").first().click();
    expect(await events(scene.page, "recsys:click")).toHaveLength(1);
    expect(scene.page.url()).toBe(`${shop.origin}/`);
  });

  test("the middle button counts, and so does Enter", async () => {
    const scene = await open(tag(shop), {});
    await scene.page.evaluate(() => document.addEventListener("recsys:click", (event) => event.preventDefault()));
    await scene.cards.getByRole("link").first().click({ button: "middle" });
    await scene.cards.getByRole("link").nth(2).press("Enter");
    expect(await events(scene.page, "recsys:click", 2)).toMatchObject([{ item_id: "i0" }, { item_id: "i2" }]);
  });

  test("an impression is told once for each card that was half visible for a second", async () => {
    const scene = await open(`${tag(shop, { placement: "home" })}<div style="height: 300vh"></div>`);
    const seen = await events(scene.page, "recsys:impression", 5);
    expect(seen[0]).toEqual({ ...ABOUT, item_id: "i0", rank: 1, rung: "personal" });
    await scene.carousel.evaluate((element) => element.setAttribute("heading", "Rendered anew"));
    await scene.page.evaluate(() => window.scrollTo(0, 2000));
    await scene.page.waitForTimeout(100);
    await scene.page.evaluate(() => window.scrollTo(0, 0));
    await scene.page.waitForTimeout(1200);
    const ids = (await events(scene.page, "recsys:impression")).map(({ item_id }) => item_id);
    // Five whole cards and a sliver of the sixth are in view at 1280 px.
    expect(ids).toEqual(["i0", "i1", "i2", "i3", "i4"]);
  });

  test("a glance is no impression", async () => {
    const scene = await open(tag(shop) + '<div style="height: 300vh"></div>');
    await firstCard(scene);
    await scene.page.mouse.wheel(0, 2000);
    await scene.page.waitForTimeout(1300);
    expect((await watched(scene.page)).events).toEqual([]);
  });
});

describe("a shop's own parts", () => {
  test("a heading of its own", async () => {
    const scene = await open(tag(shop, {}, '<h3 slot="heading">Chef\'s choice</h3>'));
    await firstCard(scene);
    expect(await scene.carousel.getByRole("heading").allInnerTexts()).toEqual(["Chef's choice"]);
    expect(await scene.page.getByRole("region", { name: "Chef's choice" }).count()).toBe(1);
  });

  test("a heading in words and at its level", async () => {
    const scene = await open(tag(shop, { heading: "To go with it", "heading-level": "3" }));
    expect(await scene.page.getByRole("region", { name: "To go with it" }).count()).toBe(1);
    expect(await scene.carousel.getByRole("heading", { level: 3 }).innerText()).toBe("To go with it");
  });

  test("cards of its own, styled by the page, in a list that works the same", async () => {
    const template = `<template slot="card"><article class="own"><a data-recsys="link"><img data-recsys="image" alt="">
      <b data-recsys="title"></b> <i data-recsys="price"></i><s data-recsys="sold-out"></s></a></article></template>`;
    const scene = await open(page(tag(shop, {}, template), "<style>.own b { color: rgb(1, 2, 3) }</style>"));
    const own = scene.page.locator(".own");
    await own.first().waitFor();
    expect((await own.first().innerText()).trim()).toBe("Organic whole milk 3.8 % €1.39");
    expect(await own.first().locator("b").evaluate((title) => getComputedStyle(title).color)).toBe("rgb(1, 2, 3)");
    expect(await own.first().locator("a").getAttribute("href")).toBe("/products/0");
    expect(await own.first().locator("s").isVisible()).toBe(false);
    await own.first().locator("a").focus();
    await scene.page.keyboard.press("End");
    expect(await own.last().evaluate((card) => card.contains(document.activeElement))).toBe(true);
    shop.script = answer(2);
    await scene.carousel.evaluate((element) => element.setAttribute("category", "few"));
    await expect.poll(() => own.count()).toBe(2);
    await own.first().locator("a").click();
    await scene.page.waitForURL(`${shop.origin}/products/0`);
  });

  test("variables and parts restyle it", async () => {
    const style = `<style>recsys-carousel { --recsys-radius: 3px; --recsys-card-width: 300px }
      recsys-carousel::part(title) { color: rgb(9, 8, 7) }</style>`;
    const scene = await open(page(tag(shop), style));
    const { card } = await firstCard(scene);
    expect((await card.boundingBox())?.width).toBe(300);
    const look = await card.evaluate((item) => ({
      radius: getComputedStyle(item.querySelector("[part=picture]") ?? item).borderRadius,
      color: getComputedStyle(item.querySelector("[part=title]") ?? item).color,
    }));
    expect(look).toEqual({ radius: "3px", color: "rgb(9, 8, 7)" });
  });
});
