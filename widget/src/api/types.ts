import type { components, paths } from "./schema";

type Schemas = components["schemas"];

/** What can be asked for. */
export type ServicePath = keyof paths;

/** What `POST /v1/recommendations` takes; lists are oldest first. */
export type SessionFields = Schemas["SessionFields"];

/** What a page can ask for by name. */
export type Kind = Schemas["Kind"];

/** The same fields, each of them a text, empty where the service has nothing to say. */
type Texts<Fields> = { [Name in keyof Fields]-?: string };

/** An item as the carousel shows it. Every text in it comes from a catalogue and is untrusted. */
export interface RecommendedItem extends Texts<Omit<Schemas["Card"], "price">> {
  price: number | null;
  available: boolean;
  /** The place in the answer, from 1. */
  rank: number;
  /** The step of the ladder that found the item; empty where the shopper's own list did. */
  rung: string;
  reason: Texts<Schemas["Item"]["reason"]>;
}

/** A list of items, and the version of the served bundle that they come from. */
export interface Answer {
  bundle_id: string;
  items: RecommendedItem[];
}
