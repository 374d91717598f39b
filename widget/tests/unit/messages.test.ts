import { describe, expect, test } from "vitest";

import { messagesFor } from "../../src/element/messages-for";
import * as languages from "../../src/i18n/languages";
import { fill } from "../../src/i18n/messages";

const KEYS = Object.keys(languages.en) as (keyof typeof languages.en)[];

function places(message: string): string[] {
  return [...message.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
}

describe.each(Object.entries(languages))("%s", (_, messages) => {
  test.each(KEYS)("%s is there and has the places of the English text", (key) => {
    expect(messages[key].trim()).not.toBe("");
    expect(places(messages[key])).toEqual(places(languages.en[key]));
  });

  test("has nothing else", () => {
    expect(Object.keys(messages).sort()).toEqual([...KEYS].sort());
  });
});

test("nine languages", () => {
  expect(Object.keys(languages).sort()).toEqual(["cs", "de", "en", "es", "fr", "it", "nl", "pl", "sk"]);
});

test.each([
  ["de", languages.de],
  ["de-AT", languages.de],
  ["de_CH", languages.de],
  ["CS-cz", languages.cs],
  ["hu", languages.en],
  ["", languages.en],
  ["constructor", languages.en],
])("%j is spoken", (locale, messages) => {
  expect(messagesFor(locale)).toBe(messages);
});

test("values are filled in with a direction of their own", () => {
  expect(fill("Because you bought {item}", { item: "شاي" })).toBe("Because you bought \u2068شاي\u2069");
  expect(fill("{first} of {total}, {other}", { first: 1, total: 2 })).toBe("\u20681\u2069 of \u20682\u2069, {other}");
  expect(fill("{item}", { item: "$& {item}" })).toBe("\u2068$& {item}\u2069");
});
