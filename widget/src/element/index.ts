import { setConsent } from "../privacy/consent";
import { RecsysCarousel } from "./recsys-carousel";

declare global {
  interface HTMLElementTagNameMap {
    "recsys-carousel": RecsysCarousel;
  }
  interface Window {
    /** What the shop's consent banner talks to. */
    RecSys?: { setConsent(given: boolean): void };
  }
}

// A page may load the script twice; the first one stays.
if (!customElements.get("recsys-carousel")) {
  customElements.define("recsys-carousel", RecsysCarousel);
  window.RecSys = { setConsent };
}
