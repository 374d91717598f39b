import type { Messages } from "./messages";

export const pl: Messages = {
  "heading.for-you": "Polecane dla Ciebie",
  "heading.session": "Zainspirowane Twoją wizytą",
  "heading.similar": "Podobne produkty",
  "heading.bought-together": "Często kupowane razem",
  "heading.popular": "Teraz popularne",
  "heading.recently-viewed": "Ostatnio oglądane",
  "reason.because_you_bought": "Do Twojego zakupu: {item}",
  "reason.buy_again": "Już kupowane",
  "reason.similar_to": "Podobne do: {item}",
  "reason.in_your_basket": "Pasuje do koszyka: {item}",
  "reason.bought_together": "Często kupowane razem",
  "reason.popular": "Popularne w tym tygodniu",
  "reason.popular_in_category": "Popularne w kategorii {category}",
  "reason.new": "Nowość w sklepie",
  previous: "Poprzednie produkty",
  next: "Więcej produktów",
  position: "Produkty {first}–{last} z {total}",
  soldOut: "Wyprzedane",
};
