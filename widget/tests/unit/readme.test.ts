import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { KINDS } from "../../src/api/request";
import { ATTRIBUTES } from "../../src/element/settings";
import { README } from "../support/readme";

const SOURCE = new URL("../../src/", import.meta.url);

/** All of the source, as one text. */
const source = readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.(tsx?|css)$/.test(file))
  .map((file) => readFileSync(new URL(file, SOURCE), "utf8"))
  .join("\n");

function found(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, name = ""]) => name))].sort();
}

test("every attribute and no other", () => {
  const [, table = ""] = README.split("| attribute | what it says |");
  const [rows = ""] = table.split("\n\n");
  expect(found(rows, /^\| `([a-z-]+)`/gm)).toEqual([...ATTRIBUTES].sort());
});

test("every kind", () => {
  expect(Object.keys(KINDS).filter((kind) => !README.includes(`\`${kind}\``))).toEqual([]);
});

test("every variable and no other", () => {
  expect(found(README, /(--recsys-[a-z-]+)/g)).toEqual(found(source, /(--recsys-[a-z-]+)/g));
});

test("every part and no other", () => {
  const [, list = ""] = /They are `root`([^.]*)\./.exec(README) ?? [];
  const parts = found(source, /part="([a-z]+)"/g);
  expect(found(`\`root\`${list}`, /`([a-z]+)`/g)).toEqual([...parts, "button", "next", "previous"].sort());
});

test("every code of an error", () => {
  const [, codes = ""] = /type LoadErrorCode = (.*);/.exec(source) ?? [];
  const [, told = ""] = /`code` is one of (.*)\./.exec(README) ?? [];
  expect(found(told, /`([a-z]+)`/g)).toEqual(found(codes, /"([a-z]+)"/g));
});
