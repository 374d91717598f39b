import type { Shop } from "./servers";

type Attributes = Readonly<Record<string, string>>;

/** The tag with its endpoint and these attributes. */
export function tag(shop: Shop, attributes: Attributes = {}, children = ""): string {
  const all = { endpoint: shop.endpoint, kind: "popular", ...attributes };
  const written = Object.entries(all).map(([name, value]) => `${name}="${value.replaceAll('"', "&quot;")}"`);
  return `<recsys-carousel ${written.join(" ")}>${children}</recsys-carousel>`;
}

/** A shop's page with the script and this body, and something above and below that could be pushed around. */
export function page(body: string, head = "", html = 'lang="en"'): string {
  return `<!doctype html><html ${html}><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Shop</title>
${head}<script src="/recsys-carousel.js"></script></head><body><main><h1>Shop</h1>${body}<p>Below the carousel</p></main></body></html>`;
}
