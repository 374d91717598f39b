// @vitest-environment happy-dom
import { beforeEach, describe, expect, test } from "vitest";

import { readSettings } from "../../src/element/settings";

beforeEach(() => {
  document.documentElement.lang = "";
  document.body.innerHTML = "";
});

function read(attributes: Record<string, string>) {
  const element = document.createElement("div");
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  document.body.append(element);
  return readSettings(element);
}

test("nothing given", () => {
  expect(read({})).toEqual({
    options: {
      endpoint: "",
      kind: "for-you",
      itemId: undefined,
      basket: [],
      category: undefined,
      n: undefined,
      userToken: undefined,
      consent: false,
      timeoutMs: undefined,
    },
    locale: "en",
    currency: undefined,
    heading: undefined,
    headingLevel: 2,
    texts: undefined,
    theme: "auto",
    placement: undefined,
  });
});

test("what makes no sense counts as not given", () => {
  const nonsense = { kind: "x", n: "-1", "heading-level": "9", texts: "{", theme: "pink", consent: "yes", "timeout-ms": "" };
  expect(read(nonsense)).toEqual(read({}));
});

describe("values", () => {
  test.each([
    ["a,b", ["a", "b"]],
    [" a , ,b ", ["a", "b"]],
    ['["a,1", "b"]', ["a,1", "b"]],
    ["[1, 2]", ["1", "2"]],
    ["[broken", []],
    ["", []],
  ])("basket %j", (basket, items) => {
    expect(read({ basket }).options.basket).toEqual(items);
  });

  test("texts", () => {
    expect(read({ texts: '{"next": "Weiter", "previous": 3}' }).texts).toEqual({ next: "Weiter" });
  });

  test("consent is given by true and nothing else", () => {
    expect(read({ consent: "true" }).options.consent).toBe(true);
    expect(read({ consent: "" }).options.consent).toBe(false);
  });

  test("the id of the tag names the placement", () => {
    expect(read({ id: "below-product" }).placement).toBe("below-product");
    expect(read({ id: "below-product", placement: "p1" }).placement).toBe("p1");
  });
});

test("the language of the page speaks", () => {
  document.documentElement.lang = "fr";
  expect(read({}).locale).toBe("fr");
  expect(read({ locale: "pl" }).locale).toBe("pl");
  expect(read({ lang: "de-AT" }).locale).toBe("de-AT");
});
