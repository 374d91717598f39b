import "@recsys-lite/carousel/carousel.css";

import { de, RecommendationCarousel, useRecommendations } from "@recsys-lite/carousel";
import { StrictMode, version } from "react";
import { createRoot } from "react-dom/client";

declare global {
  interface Window {
    /** What the page of the test tells the shop's React code, and what that tells the test. */
    host: { endpoint: string; version?: string; told: [string, unknown][] };
  }
}

const { host } = window;

function tell(name: string) {
  return (detail: unknown) => void host.told.push([name, detail]);
}

/** A shop's product page in React. */
function ProductPage() {
  const recommendations = useRecommendations({
    endpoint: host.endpoint,
    kind: "similar",
    itemId: "i99",
    onError: ({ code, status }) => tell("error")({ code, status }),
  });
  return (
    <RecommendationCarousel
      {...recommendations}
      locale="de-DE"
      messages={de}
      placement="product"
      onImpression={tell("impression")}
      onItemClick={(event, mouse) => {
        mouse.preventDefault();
        tell("click")(event);
      }}
    />
  );
}

const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");
host.version = version;
createRoot(root).render(
  <StrictMode>
    <ProductPage />
  </StrictMode>,
);
