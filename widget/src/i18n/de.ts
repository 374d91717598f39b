import type { Messages } from "./messages";

export const de: Messages = {
  "heading.for-you": "Für Sie empfohlen",
  "heading.session": "Passend zu Ihrem Besuch",
  "heading.similar": "Ähnliche Artikel",
  "heading.bought-together": "Oft zusammen gekauft",
  "heading.popular": "Gerade beliebt",
  "heading.recently-viewed": "Zuletzt angesehen",
  "reason.because_you_bought": "Passend zu Ihrem Kauf: {item}",
  "reason.buy_again": "Schon einmal gekauft",
  "reason.similar_to": "Ähnlich wie {item}",
  "reason.in_your_basket": "Passend zum Warenkorb: {item}",
  "reason.bought_together": "Oft zusammen gekauft",
  "reason.popular": "Diese Woche beliebt",
  "reason.popular_in_category": "Beliebt in {category}",
  "reason.new": "Neu im Sortiment",
  previous: "Vorherige Artikel",
  next: "Weitere Artikel",
  position: "Artikel {first} bis {last} von {total}",
  soldOut: "Ausverkauft",
};
