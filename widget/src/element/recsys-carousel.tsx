import { createRoot, type Root } from "react-dom/client";

import styles from "../styles/carousel.css?inline";
import { App } from "./app";
import { ATTRIBUTES, readSettings } from "./settings";

/** One sheet for all carousels of a page. A constructed sheet is allowed under any Content-Security-Policy. */
const sheet = new CSSStyleSheet();
sheet.replaceSync(styles);

/** `<recsys-carousel>`: the carousel behind a shadow root, driven by attributes. */
export class RecsysCarousel extends HTMLElement {
  static readonly observedAttributes = ATTRIBUTES;
  readonly #shadow: ShadowRoot;
  #root: Root | null = null;
  #isUpdateDue = false;

  constructor() {
    super();
    this.#shadow = this.attachShadow({ mode: "open" });
    this.#shadow.adoptedStyleSheets = [sheet];
  }

  connectedCallback(): void {
    this.#update();
    // The parser may still be at work inside the tag, and the card template be on its way.
    if (document.readyState === "loading") {
      document.addEventListener("DOMContentLoaded", () => this.#update(), { once: true });
    }
  }

  disconnectedCallback(): void {
    this.#update();
  }

  attributeChangedCallback(): void {
    this.#update();
  }

  /** Once for all changes of a task, so that a tag that is moved keeps what it shows. */
  #update(): void {
    if (this.#isUpdateDue) return;
    this.#isUpdateDue = true;
    queueMicrotask(() => {
      this.#isUpdateDue = false;
      if (this.isConnected) this.#render();
      else this.#remove();
    });
  }

  #render(): void {
    this.#root ??= createRoot(this.#shadow);
    this.#root.render(<App host={this} settings={readSettings(this)} />);
  }

  #remove(): void {
    this.#root?.unmount();
    this.#root = null;
  }
}
