import type { ElementType } from "react";

import type { RecommendedItem } from "../api/types";
import { ItemPicture } from "./item-picture";

/** What a card is given: the item as answered (untrusted text) and what was made of it for display. */
export interface ItemCardProps {
  item: RecommendedItem;
  /** The item's page if its address leads to http(s), else null. */
  href: string | null;
  /** The price in the locale's form, or null. */
  price: string | null;
  /** Why the item is shown, in words, or null. */
  reason: string | null;
  /** The words for an item that cannot be bought now, or null if it can. */
  soldOut: string | null;
}

/**
 * An item as a card. The whole card is the link.
 *
 * @param as what renders the link, for example a router's; it is given `href`
 */
export function ItemCard({ item, href, price, reason, soldOut, as = "a" }: ItemCardProps & { as?: ElementType }) {
  const Frame = href ? as : "div";
  return (
    <Frame part="card" className="rs:card" draggable={false} {...(href && { href })}>
      <ItemPicture address={item.img_url} category={item.category} />
      {soldOut && (
        <span part="badge" className="rs:badge">
          {soldOut}
        </span>
      )}
      <div className="rs:text-rows">
        <bdi part="title" className="rs:line-clamp-2 rs:title-row">
          {item.title || item.item_id}
        </bdi>
        <bdi part="brand" className="rs:line-clamp-1 rs:fine-print">
          {item.brand}
        </bdi>
      </div>
      <div part="price" className="rs:price-row">
        {price}
      </div>
      <div part="reason" className="rs:reason-row">
        <span className="rs:line-clamp-2 rs:fine-print">{reason}</span>
      </div>
    </Frame>
  );
}
