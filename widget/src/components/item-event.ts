import type { Kind } from "../api/request";
import type { RecommendedItem } from "../api/types";

/** What a shop's analytics learn of an item that was seen or opened. No shopper is named. */
export interface ItemEvent {
  placement: string;
  kind: Kind;
  item_id: string;
  /** The place in the answer, from 1. */
  rank: number;
  /** The step of the ladder that found the item, from `personal` to `newest`; empty for what was viewed. */
  rung: string;
  /** The version of the served bundle. */
  bundle_id: string;
}

/** Where a carousel stands and what it shows. */
export interface Showing {
  kind: Kind;
  placement?: string | undefined;
  bundleId?: string | undefined;
}

export function itemEvent({ item_id, rank, rung }: RecommendedItem, { kind, placement, bundleId }: Showing): ItemEvent {
  return { placement: placement ?? kind, kind, item_id, rank, rung, bundle_id: bundleId ?? "" };
}
