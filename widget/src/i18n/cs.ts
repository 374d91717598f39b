import type { Messages } from "./messages";

export const cs: Messages = {
  "heading.for-you": "Doporučeno pro vás",
  "heading.session": "Inspirováno vaší návštěvou",
  "heading.similar": "Podobné produkty",
  "heading.bought-together": "Často kupováno společně",
  "heading.popular": "Právě oblíbené",
  "heading.recently-viewed": "Naposledy prohlížené",
  "reason.because_you_bought": "K vašemu nákupu: {item}",
  "reason.buy_again": "Již jste kupovali",
  "reason.similar_to": "Podobné jako {item}",
  "reason.in_your_basket": "Hodí se ke košíku: {item}",
  "reason.bought_together": "Často kupováno společně",
  "reason.popular": "Oblíbené tento týden",
  "reason.popular_in_category": "Oblíbené v kategorii {category}",
  "reason.new": "Novinka v obchodě",
  previous: "Předchozí produkty",
  next: "Další produkty",
  position: "Produkty {first} až {last} z {total}",
  soldOut: "Vyprodáno",
};
