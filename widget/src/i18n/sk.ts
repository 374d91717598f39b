import type { Messages } from "./messages";

export const sk: Messages = {
  "heading.for-you": "Odporúčané pre vás",
  "heading.session": "Inšpirované vašou návštevou",
  "heading.similar": "Podobné produkty",
  "heading.bought-together": "Často kupované spolu",
  "heading.popular": "Práve obľúbené",
  "heading.recently-viewed": "Naposledy prezerané",
  "reason.because_you_bought": "K vášmu nákupu: {item}",
  "reason.buy_again": "Už ste kupovali",
  "reason.similar_to": "Podobné ako {item}",
  "reason.in_your_basket": "Hodí sa ku košíku: {item}",
  "reason.bought_together": "Často kupované spolu",
  "reason.popular": "Obľúbené tento týždeň",
  "reason.popular_in_category": "Obľúbené v kategórii {category}",
  "reason.new": "Novinka v obchode",
  previous: "Predchádzajúce produkty",
  next: "Ďalšie produkty",
  position: "Produkty {first} až {last} z {total}",
  soldOut: "Vypredané",
};
