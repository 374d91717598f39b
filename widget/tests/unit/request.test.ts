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

describe("paths", () => {
  test.each<[Partial<Question>, string]>([
    [{ kind: "popular" }, "/v1/popular?n=12"],
    [{ kind: "popular", category: "Fruit & nuts" }, "/v1/popular?n=12&category=Fruit+%26+nuts"],
    [{ kind: "similar", itemId: "a/b ä" }, "/v1/items/a%2Fb%20%C3%A4/similar?n=12"],
    [{ kind: "similar", itemId: "a", basket: ["b", "c"] }, "/v1/items/a/similar?n=12&exclude=b&exclude=c"],
    [{ kind: "bought-together", itemId: "a" }, "/v1/items/a/bought-together?n=12"],
    [{ kind: "bought-together", basket: ["a", "b"] }, "/v1/items/b/bought-together?n=12&exclude=a&exclude=b"],
    [{ kind: "for-you", itemId: "a", category: "Tea" }, "/v1/recommendations?n=12&item_id=a&category=Tea"],
    [{ kind: "session" }, "/v1/recommendations?n=12"],
    [{ endpoint: "https://shop.eu/reco//" }, "/v1/popular?n=12"],
  ])("%o", (question, path) => {
    const endpoint = (question.endpoint ?? "https://reco.shop.eu").replace(/\/+$/, "");
    expect(ask(question)).toEqual({ url: endpoint + path });
  });
});

test("a basket is told in a body", () => {
  expect(ask({ kind: "session", basket: ["a"], itemId: "b", category: "Tea", n: 5 })).toEqual({
    url: "https://reco.shop.eu/v1/recommendations",
    body: { n: 5, basket: ["a"], viewed: [], item_id: "b", category: ["Tea"] },
  });
});

test("long baskets are cut to their newest items", () => {
  const basket = Array.from({ length: 201 }, (_, index) => `i${index}`);
  const request = ask({ kind: "session", basket });
  expect(request).toMatchObject({ body: { basket: basket.slice(1) } });
});

describe("with consent", () => {
  test("for you names the shopper and tells the visit, oldest first", () => {
    expect(ask({ kind: "for-you", ...TOKEN }, VIEWED)).toEqual({
      url: "https://reco.shop.eu/v1/recommendations",
      body: { n: 12, basket: [], viewed: ["older", "newest"] },
      token: "signed",
      isPersonal: true,
    });
  });

  test("session tells the visit and names nobody", () => {
    expect(ask({ kind: "session", ...TOKEN }, VIEWED)).not.toHaveProperty("token");
  });

  test("recently viewed asks for the cards of the other items", () => {
    const request = ask({ kind: "recently-viewed", itemId: "newest" }, VIEWED);
    expect(request).toEqual({ url: "https://reco.shop.eu/v1/items?item_id=older", isPersonal: true });
  });

  test.each<Kind>(["popular", "similar", "bought-together"])("%s tells nothing of the shopper", (kind) => {
    expect(ask({ kind, itemId: "a", ...TOKEN }, VIEWED)).toEqual(ask({ kind, itemId: "a" }));
  });
});

test("recently viewed has nothing to ask where nothing is known", () => {
  expect(ask({ kind: "recently-viewed" })).toBeNull();
});

test.each<[Partial<Question>, string]>([
  [{ endpoint: "" }, "endpoint is missing"],
  [{ kind: "similar" }, "similar needs item-id"],
  [{ kind: "bought-together" }, "bought-together needs item-id"],
])("%o lacks something", (question, lack) => {
  expect(ask(question)).toEqual({ lack });
});
