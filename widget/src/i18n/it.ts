import type { Messages } from "./messages";

export const it: Messages = {
  "heading.for-you": "Consigliati per lei",
  "heading.session": "Ispirati alla sua visita",
  "heading.similar": "Prodotti simili",
  "heading.bought-together": "Spesso acquistati insieme",
  "heading.popular": "Popolari in questo momento",
  "heading.recently-viewed": "Visti di recente",
  "reason.because_you_bought": "Perché ha acquistato {item}",
  "reason.buy_again": "Già acquistato",
  "reason.similar_to": "Simile a {item}",
  "reason.in_your_basket": "Si abbina al carrello: {item}",
  "reason.bought_together": "Spesso acquistati insieme",
  "reason.popular": "Popolare questa settimana",
  "reason.popular_in_category": "Popolare in {category}",
  "reason.new": "Novità del negozio",
  previous: "Prodotti precedenti",
  next: "Altri prodotti",
  position: "Prodotti da {first} a {last} di {total}",
  soldOut: "Esaurito",
};
