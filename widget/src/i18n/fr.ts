import type { Messages } from "./messages";

export const fr: Messages = {
  "heading.for-you": "Recommandé pour vous",
  "heading.session": "Inspiré de votre visite",
  "heading.similar": "Produits similaires",
  "heading.bought-together": "Souvent achetés ensemble",
  "heading.popular": "Populaire en ce moment",
  "heading.recently-viewed": "Vus récemment",
  "reason.because_you_bought": "Suite à votre achat : {item}",
  "reason.buy_again": "Déjà acheté",
  "reason.similar_to": "Similaire à {item}",
  "reason.in_your_basket": "Va avec votre panier : {item}",
  "reason.bought_together": "Souvent achetés ensemble",
  "reason.popular": "Populaire cette semaine",
  "reason.popular_in_category": "Populaire dans {category}",
  "reason.new": "Nouveau dans la boutique",
  previous: "Produits précédents",
  next: "Plus de produits",
  position: "Produits {first} à {last} sur {total}",
  soldOut: "Épuisé",
};
