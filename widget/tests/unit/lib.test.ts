import { describe, expect, test } from "vitest";

import { hueOf } from "../../src/lib/hue";
import { formatPrice } from "../../src/lib/price";
import { safeUrl } from "../../src/lib/safe-url";

describe("addresses", () => {
  test.each(["https://shop.eu/p/1", "http://shop.eu", "/p/1", "p/1?q=ä#x", "//img.shop.eu/1.png"])("%s leads on", (url) => {
    expect(safeUrl(url)).toBe(url);
  });

  test.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " \u0001javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "blob:https://shop.eu/1",
    "file:///etc/passwd",
    "vbscript:x",
    "http://[broken",
    "",
    "  ",
    null,
    undefined,
  ])("%j does not", (url) => {
    expect(safeUrl(url)).toBeNull();
  });
});

describe("prices", () => {
  test.each([
    [1234.5, "EUR", "de-DE", "1.234,50\u00a0€"],
    [3.5, "EUR", "en-IE", "€3.50"],
    [120, "CZK", "cs-CZ", "120,00\u00a0Kč"],
    [0, "PLN", "pl", "0,00\u00a0zł"],
    [9.99, undefined, "fr-FR", "9,99"],
    [9.99, "", "fr-FR", "9,99"],
    [5, "not a code", "en", "5 not a code"],
    [5, "EUR", "not a locale", "5 EUR"],
    [null, "EUR", "en", null],
  ])("%s %s in %s", (price, currency, locale, written) => {
    expect(formatPrice(price, currency, locale)).toBe(written);
  });
});

test("a category keeps its hue, and neighbours differ", () => {
  expect(hueOf("Dairy")).toBe(hueOf("Dairy"));
  const hues = ["Dairy", "Dairz", "Fairy", "Bakery", "", "日本"].map(hueOf);
  expect(new Set(hues).size).toBe(hues.length);
  expect(hues.every((hue) => hue >= 0 && hue < 360)).toBe(true);
});
