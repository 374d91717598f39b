/** A price in the locale's own form, or null where the item has none. */
export function formatPrice(price: number | null, currency: string | undefined, locale: string): string | null {
  if (price === null) return null;
  const style = currency ? { style: "currency", currency } : { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  try {
    return new Intl.NumberFormat(locale, style as Intl.NumberFormatOptions).format(price);
  } catch {
    // Neither a locale nor a currency code is checked on its way here, and the runtime knows what it knows.
    return `${price} ${currency ?? ""}`.trim();
  }
}
