import { describe, expect, test } from "vitest";

import { readAnswer } from "../../src/api/answer";

function read(document: unknown) {
  return readAnswer(JSON.stringify(document));
}

test("a whole item", () => {
  const item = {
    item_id: "a",
    title: "Tea",
    category: "Drinks",
    brand: "Leaf",
    price: 3.5,
    currency: "EUR",
    img_url: "/a.png",
    url: "/a",
    rank: 7,
    rung: "personal",
    reason: { code: "because_you_bought", item_id: "b", title: "Mug" },
  };
  expect(read({ bundle_id: "b1", items: [item] })).toEqual({ bundle_id: "b1", items: [{ ...item, available: true }] });
});

test("an item of which only the id is known", () => {
  expect(read({ items: [{ item_id: "a", title: null, price: "3", reason: "no", available: false }] })).toEqual({
    bundle_id: "",
    items: [
      {
        item_id: "a",
        title: "",
        category: "",
        brand: "",
        price: null,
        currency: "",
        img_url: "",
        url: "",
        rank: 1,
        rung: "",
        available: false,
        reason: { code: "", item_id: "", title: "" },
      },
    ],
  });
});

describe("malformed", () => {
  test.each(["", "<html>", '{"items": [', "null", "[]", '"text"', "{}", '{"items": {}}'])("%s", (text) => {
    expect(() => readAnswer(text)).toThrow(expect.objectContaining({ code: "malformed" }));
  });

  test.each([null, 3, "a", {}, { item_id: 3 }, { item_id: "" }])("item %o", (item) => {
    expect(() => read({ items: [{ item_id: "a" }, item] })).toThrow("item 1 has no item_id");
  });
});
