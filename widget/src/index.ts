export { RecommendationCarousel, type RecommendationCarouselProps } from "./components/recommendation-carousel";
export { useRecommendations, type Recommendations, type RecommendationsOptions } from "./hooks/use-recommendations";
export { ItemCard } from "./components/item-card";
export { setConsent } from "./privacy/consent";
export * from "./i18n/languages";
