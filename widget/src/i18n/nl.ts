import type { Messages } from "./messages";

export const nl: Messages = {
  "heading.for-you": "Aanbevolen voor u",
  "heading.session": "Geïnspireerd op uw bezoek",
  "heading.similar": "Vergelijkbare producten",
  "heading.bought-together": "Vaak samen gekocht",
  "heading.popular": "Nu populair",
  "heading.recently-viewed": "Onlangs bekeken",
  "reason.because_you_bought": "Omdat u {item} hebt gekocht",
  "reason.buy_again": "Eerder gekocht",
  "reason.similar_to": "Lijkt op {item}",
  "reason.in_your_basket": "Past bij uw winkelwagen: {item}",
  "reason.bought_together": "Vaak samen gekocht",
  "reason.popular": "Deze week populair",
  "reason.popular_in_category": "Populair in {category}",
  "reason.new": "Nieuw in de winkel",
  previous: "Vorige producten",
  next: "Meer producten",
  position: "Producten {first} tot {last} van {total}",
  soldOut: "Uitverkocht",
};
