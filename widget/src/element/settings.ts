import { KINDS, type Kind } from "../api/request";
import type { HeadingLevel } from "../components/carousel-header";
import type { RecommendationsOptions } from "../hooks/use-recommendations";
import type { Messages } from "../i18n/messages";

/** The attributes of the tag; README.md describes each. */
export const ATTRIBUTES = [
  "endpoint",
  "kind",
  "item-id",
  "basket",
  "category",
  "n",
  "user-token",
  "consent",
  "locale",
  "currency",
  "heading",
  "heading-level",
  "texts",
  "theme",
  "placement",
  "timeout-ms",
] as const;

type Attribute = (typeof ATTRIBUTES)[number];

/** What the attributes of a tag say. */
export interface Settings {
  options: RecommendationsOptions;
  locale: string;
  currency: string | undefined;
  heading: string | undefined;
  headingLevel: HeadingLevel;
  texts: Partial<Messages> | undefined;
  theme: "auto" | "light" | "dark";
  placement: string | undefined;
}

/** Reads the attributes. A value that makes no sense counts as not given; what is missing is found out on asking. */
export function readSettings(element: Element): Settings {
  const get = (name: Attribute) => nonEmpty(element.getAttribute(name)?.trim());
  return {
    options: {
      endpoint: get("endpoint") ?? "",
      kind: oneOf(Object.keys(KINDS) as Kind[], get("kind")) ?? "for-you",
      itemId: get("item-id"),
      basket: readList(get("basket")),
      category: get("category"),
      n: readCount(get("n")),
      userToken: get("user-token"),
      consent: get("consent") === "true",
      timeoutMs: readCount(get("timeout-ms")),
    },
    locale: get("locale") ?? languageAround(element),
    currency: get("currency"),
    heading: get("heading"),
    headingLevel: oneOf<HeadingLevel>([2, 3, 4], Number(get("heading-level"))) ?? 2,
    texts: readTexts(get("texts")),
    theme: oneOf(["light", "dark"] as const, get("theme")) ?? "auto",
    placement: get("placement") ?? element.getAttribute("id") ?? undefined,
  };
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

function oneOf<T>(allowed: readonly T[], value: unknown): T | undefined {
  return allowed.find((candidate) => candidate === value);
}

function readCount(value: string | undefined): number | undefined {
  const count = Number(value);
  return Number.isInteger(count) && count > 0 ? count : undefined;
}

/** `a,b,c`, or a JSON list where ids may hold commas. */
function readList(value = ""): string[] {
  const list = value.startsWith("[") ? parseJson(value) : value.split(",");
  return Array.isArray(list) ? list.map((id) => String(id).trim()).filter(Boolean) : [];
}

/** A JSON object of texts by key. */
function readTexts(value: string | undefined): Partial<Messages> | undefined {
  const texts = value === undefined ? null : parseJson(value);
  if (typeof texts !== "object" || texts === null) return undefined;
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => typeof text === "string"));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function languageAround(element: Element): string {
  return element.closest("[lang]:not([lang=''])")?.getAttribute("lang") ?? "en";
}
