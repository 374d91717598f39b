import { describe, expect, test } from "vitest";

import { type Kind, type Question, requestFor } from "../../src/api/request";

const TOKEN = { token: "signed" };
const VIEWED = ["newest", "older"];

function ask(question: Partial<Question>, viewed: string[] = []) {
  const defaults: Question = {
    endpoint: "https://reco.shop.eu",
    kind: "popular",
    itemId: undefined,
    basket: [],
    category: undefined,
    n: 12,
    token: undefined,
  };
  return requestFor({ ...defaults, ...question }, viewed);
}

const URL = "https://reco.shop.eu/v1/recommendations";

describe("what is the same for everybody is asked for by its address", () => {
  test.each<[Partial<Question>, string]>([
    [{ kind: "popular" }, "?kind=popular&n=12"],
    [{ kind: "popular", category: "Fruit & nuts" }, "?kind=popular&n=12&category=Fruit+%26+nuts"],
    [{ kind: "newest", itemId: "a" }, "?kind=newest&n=12&item_id=a"],
    [{ kind: "on-sale", basket: ["b"] }, "?kind=on-sale&n=12&exclude=b"],
    [{ kind: "similar", itemId: "a/b ä" }, "?kind=similar&n=12&item_id=a%2Fb+%C3%A4"],
    [{ kind: "similar", itemId: "a", basket: ["b", "c"] }, "?kind=similar&n=12&item_id=a&exclude=b&exclude=c"],
    [{ kind: "bought-together", itemId: "a" }, "?kind=bought-together&n=12&item_id=a"],
    [{ kind: "bought-together", basket: ["a", "b"] }, "?kind=bought-together&n=12&item_id=b&exclude=a&exclude=b"],
    [{ kind: "for-you", itemId: "a", category: "Tea" }, "?kind=for-you&n=12&item_id=a&category=Tea"],
    [{ kind: "session" }, "?kind=session&n=12"],
  ])("%o", (question, query) => {
    expect(ask(question)).toEqual({ url: URL + query });
  });

  test("slashes behind the endpoint are taken off", () => {
    expect(ask({ endpoint: "https://shop.eu/reco//" })).toEqual({
      url: "https://shop.eu/reco/v1/recommendations?kind=popular&n=12",
    });
  });
});

test.each<Kind>(["basket", "session"])("a basket is told in a body, %s", (kind) => {
  expect(ask({ kind, basket: ["a"], itemId: "b", category: "Tea", n: 5 })).toEqual({
    url: URL,
    body: { kind, n: 5, basket: ["a"], ...(kind === "session" && { viewed: [] }), item_id: "b", category: ["Tea"] },
  });
});

test("long baskets are cut to their newest items", () => {
  const basket = Array.from({ length: 201 }, (_, index) => `i${index}`);
  expect(ask({ kind: "basket", basket })).toMatchObject({ body: { basket: basket.slice(1) } });
});

describe("with consent", () => {
  test("for you names the shopper and tells the visit, oldest first", () => {
    expect(ask({ kind: "for-you", ...TOKEN }, VIEWED)).toEqual({
      url: URL,
      body: { kind: "for-you", n: 12, basket: [], viewed: ["older", "newest"] },
      token: "signed",
      isPersonal: true,
    });
  });

  test.each<Kind>(["buy-again", "because-you-bought", "on-sale"])("%s names the shopper and tells no visit", (kind) => {
    expect(ask({ kind, ...TOKEN }, VIEWED)).toEqual({ url: `${URL}?kind=${kind}&n=12`, token: "signed", isPersonal: true });
  });

  test("session tells the visit and names nobody", () => {
    expect(ask({ kind: "session", ...TOKEN }, VIEWED)).not.toHaveProperty("token");
  });

  test.each<Kind>(["recently-viewed", "because-you-viewed"])("%s tells the other items of the visit", (kind) => {
    expect(ask({ kind, itemId: "newest", basket: ["b"], ...TOKEN }, VIEWED)).toEqual({
      url: URL,
      body: { kind, n: 12, item_id: "newest", exclude: ["b"], viewed: ["older"] },
      isPersonal: true,
    });
  });

  test.each<Kind>(["popular", "newest", "similar", "bought-together", "basket"])("%s tells nothing of the shopper", (kind) => {
    const question = { kind, itemId: "a", basket: ["b"] };
    expect(ask({ ...question, ...TOKEN }, VIEWED)).toEqual(ask(question));
  });
});

test.each<[Kind, string[]]>([
  ["basket", VIEWED],
  ["buy-again", VIEWED],
  ["because-you-bought", VIEWED],
  ["because-you-viewed", []],
  ["recently-viewed", []],
  ["recently-viewed", ["open"]],
])("%s has nothing to ask where nothing is known", (kind, viewed) => {
  expect(ask({ kind, itemId: "open" }, viewed)).toBeNull();
});

test.each<[Partial<Question>, string]>([
  [{ endpoint: "" }, "endpoint is missing"],
  [{ kind: "similar" }, "similar needs item-id"],
  [{ kind: "bought-together" }, "bought-together needs item-id"],
])("%o lacks something", (question, lack) => {
  expect(ask(question)).toEqual({ lack });
});
