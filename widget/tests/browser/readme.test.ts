import { createHmac } from "node:crypto";
import { Liquid } from "liquidjs";
import { describe, expect, test } from "vitest";

import { tag } from "../support/pages";
import { buildHost } from "../support/react-host";
import { render, snippet } from "../support/readme";
import { answer } from "../support/servers";
import { events, stage } from "../support/stage";

const { shop, open } = stage();

/** The item that the rendered product pages are about. */
const SKU = 'sku "1" & <2>';

/** A document of the shop, with the service of the test in place of the one in the README. */
function pageOf(body: string): string {
  const served = body.replaceAll("https://reco.example.eu", shop.endpoint);
  return `<!doctype html><html lang="de"><head><title>Shop</title></head><body>${served}</body></html>`;
}

function liquid(template: string): string {
  const engine = new Liquid({ strictVariables: true });
  engine.registerFilter("asset_url", (file: string) => `/${file}`);
  const product = { selected_or_first_available_variant: { sku: SKU } };
  return engine.parseAndRenderSync(template, { product, cart: { currency: { iso_code: "EUR" } } }) as string;
}

describe("in a shop system", () => {
  test.each<[string, string, (code: string) => string]>([
    ["Shopware 6", "twig", (code) => render("shopware", code)],
    ["WooCommerce", "php", (code) => render("woocommerce", code)],
    ["PrestaShop", "smarty", (code) => render("prestashop", code)],
    ["Magento 2", "phtml", (code) => render("magento", code)],
    ["Shopify", "liquid", liquid],
  ])("%s", async (heading, language, rendered) => {
    shop.script = answer(6, (item) => ({ ...item, currency: null }));
    const { cards, page } = await open(pageOf(rendered(snippet(heading, language))));
    await cards.getByRole("link").first().waitFor();
    expect(shop.calls.map(({ path }) => path)).toEqual([`/v1/recommendations?kind=similar&n=12&item_id=${encodeURIComponent(SKU).replace(/%20/g, "+")}`]);
    expect(await cards.first().locator("[part=price]").innerText()).toBe("1,39\u00a0€");
    expect(await page.getByRole("region", { name: "Ähnliche Artikel" }).count()).toBe(1);
  });

  test("Magento's layout names the template and is well-formed", async () => {
    const { page } = await open("<p>No carousel</p>");
    const template = await page.evaluate((xml) => {
      const layout = new DOMParser().parseFromString(xml, "text/xml");
      return layout.querySelector("parsererror") ? "broken" : layout.querySelector("block")?.getAttribute("template");
    }, snippet("Magento 2", "xml"));
    expect(template).toBe("Magento_Catalog::recsys.phtml");
  });
});

test("on any page", async () => {
  const { cards } = await open(pageOf(snippet("On any page", "html")));
  await cards.getByRole("link").first().waitFor();
  expect(shop.calls[0]?.path).toBe("/v1/recommendations?kind=popular&n=12");
});

test("the consent banner", async () => {
  const carousel = tag(shop, { kind: "for-you", "user-token": "signed" });
  const { page, cards } = await open(
    pageOf(`${snippet("Consent and the shopper", "html")}<script src="/recsys-carousel.js"></script>${carousel}`),
    {},
  );
  await cards.getByRole("link").first().waitFor();
  for (const [personalisation, calls] of [
    [true, 2],
    [false, 3],
  ]) {
    await page.evaluate((detail) => document.dispatchEvent(new CustomEvent("shop:consent", { detail })), { personalisation });
    // The banner's next answer drops a request that is still on its way to the shop.
    await expect.poll(() => shop.calls.length).toBe(calls);
  }
  expect(shop.calls.map(({ headers }) => headers.authorization)).toEqual([undefined, "Bearer signed", undefined]);
});

test("the token of the back end", () => {
  const token = render("token", snippet("Consent and the shopper", "php"));
  const [head = "", claims = "", signature] = token.split(".");
  const key = "a key of the shop and the service";
  expect(signature).toBe(createHmac("sha256", key).update(`${head}.${claims}`).digest("base64url"));
  expect(JSON.parse(Buffer.from(head, "base64url").toString())).toEqual({ alg: "HS256", typ: "JWT" });
  const { sub, exp } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { sub: string; exp: number };
  expect(sub).toBe("user-1");
  expect(exp * 1000).toBeGreaterThan(Date.now());
});

test("the shop's analytics", async () => {
  const body = `${snippet("Events", "html")}<script src="/recsys-carousel.js"></script>${tag(shop, { placement: "home" })}`;
  const { page, cards } = await open(pageOf(body));
  await page.evaluate(() => document.addEventListener("recsys:click", (event) => event.preventDefault()));
  await cards.getByRole("link").first().click();
  await events(page, "recsys:click");
  const pushed = await page.evaluate(() => (window as unknown as { dataLayer: unknown }).dataLayer);
  expect(pushed).toEqual([{ event: "select_item", item_list_name: "home", item_id: "i0" }]);
});

test("heading and cards of the shop's own", async () => {
  const { page } = await open(pageOf(`<script src="/recsys-carousel.js"></script>${snippet("Looks", "html")}`));
  await page.locator("a.product-box").first().waitFor();
  expect(await page.locator("a.product-box strong").first().innerText()).toBe("Organic whole milk 3.8 %");
  expect(await page.locator("a.product-box[href^='/products/']").count()).toBe(12);
  expect(await page.getByRole("region", { name: "Chef's choice" }).getByRole("listitem").count()).toBe(12);
});

test("in React", async () => {
  const code = snippet("In React", "tsx").replaceAll("https://reco.example.eu", shop.endpoint);
  const mount = `
    import { createElement } from "react";
    import { createRoot } from "react-dom/client";
    createRoot(document.getElementById("root")!).render(createElement(SimilarItems, { itemId: "i7" }));`;
  const { script, styles } = await buildHost("", code + mount);
  shop.files.set("/react.js", script).set("/react.css", styles);
  const { page } = await open(pageOf('<div id="root"></div><script src="/react.js"></script>'));
  await page.getByRole("region", { name: "Ähnliche Artikel" }).getByRole("link").first().waitFor();
  expect(shop.calls[0]?.path).toBe("/v1/recommendations?kind=similar&n=12&item_id=i7");
});
