import { LoadError } from "./load-error";
import type { Answer, RecommendedItem } from "./types";

type Fields = Record<string, unknown>;

/**
 * Reads an answer of the service from its text.
 *
 * An item without an id is a broken promise and refuses the answer; any other field that is missing or of another
 * type counts as empty, so that no odd catalogue entry can take the carousel down.
 *
 * @throws LoadError `malformed`
 */
export function readAnswer(text: string): Answer {
  const answer = parse(text);
  if (!isFields(answer) || !Array.isArray(answer["items"])) throw malformed("the answer has no list of items");
  return { ...textsOf(answer, ["bundle_id"]), items: answer["items"].map(readItem) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed("the answer is not JSON");
  }
}

function readItem(value: unknown, index: number): RecommendedItem {
  const fields = isFields(value) ? value : {};
  const item = textsOf(fields, ["item_id", "title", "category", "brand", "currency", "img_url", "url", "rung"]);
  if (!item.item_id) throw malformed(`item ${index} has no item_id`);
  const { price, rank, available, reason } = fields;
  return {
    ...item,
    price: typeof price === "number" ? price : null,
    rank: typeof rank === "number" ? rank : index + 1,
    available: available !== false,
    reason: textsOf(isFields(reason) ? reason : {}, ["code", "item_id", "title"]),
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The named fields, each as text. */
function textsOf<Name extends string>(fields: Fields, names: readonly Name[]): Record<Name, string> {
  const texts = names.map((name) => [name, typeof fields[name] === "string" ? fields[name] : ""]);
  return Object.fromEntries(texts) as Record<Name, string>;
}

function malformed(message: string): LoadError {
  return new LoadError("malformed", message);
}
