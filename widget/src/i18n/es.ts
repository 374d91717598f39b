import type { Messages } from "./messages";

export const es: Messages = {
  "heading.for-you": "Recomendado para usted",
  "heading.session": "Inspirado en su visita",
  "heading.similar": "Productos similares",
  "heading.bought-together": "Comprados juntos a menudo",
  "heading.popular": "Popular ahora",
  "heading.recently-viewed": "Vistos recientemente",
  "reason.because_you_bought": "Porque compró {item}",
  "reason.buy_again": "Ya lo compró antes",
  "reason.similar_to": "Similar a {item}",
  "reason.in_your_basket": "Combina con su cesta: {item}",
  "reason.bought_together": "Comprados juntos a menudo",
  "reason.popular": "Popular esta semana",
  "reason.popular_in_category": "Popular en {category}",
  "reason.new": "Nuevo en la tienda",
  previous: "Productos anteriores",
  next: "Más productos",
  position: "Productos {first} a {last} de {total}",
  soldOut: "Agotado",
};
