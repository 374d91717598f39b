import type { RecommendedItem } from "../api/types";
import { fill, type Messages } from "../i18n/messages";
import { formatPrice } from "../lib/price";
import { safeUrl } from "../lib/safe-url";
import type { ItemCardProps } from "./item-card";

/** What a card shows of an item, in the words and the number format of a locale. */
export function cardProps(
  item: RecommendedItem,
  texts: Messages,
  locale: string,
  currency: string | undefined,
): ItemCardProps {
  return {
    item,
    href: safeUrl(item.url),
    price: formatPrice(item.price, item.currency || currency, locale.replace("_", "-")),
    reason: reasonText(item, texts),
    soldOut: item.available ? null : texts.soldOut,
  };
}

/** Why an item is shown, in words; null for a reason that this version has no words for. */
function reasonText({ reason, category }: RecommendedItem, texts: Messages): string | null {
  const message = (texts as Readonly<Record<string, string>>)[`reason.${reason.code}`];
  return message ? fill(message, { category, item: reason.title || reason.item_id }) : null;
}
