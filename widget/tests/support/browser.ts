import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { inject } from "vitest";

/** The browser that the test run started. */
export function connect(): Promise<Browser> {
  return chromium.connect(inject("chromium"));
}

/** What the browser says of every failed request, and React of every page in development. */
const NOT_OURS = /^Failed to load resource|Download the React DevTools/;

/** A page, and what it did. */
export class Visit {
  readonly page: Page;
  /** Everything on the console but `NOT_OURS`, and uncaught errors. */
  readonly console: string[] = [];
  /** The address of every request. */
  readonly requests: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("console", (message) => {
      if (!NOT_OURS.test(message.text())) this.console.push(message.text());
    });
    page.on("pageerror", (error) => this.console.push(String(error)));
    page.on("request", (request) => this.requests.push(request.url()));
  }

  /** An empty page in a fresh profile. */
  static async begin(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    await context.addInitScript(watchPage);
    return new Visit(await context.newPage());
  }

  end(): Promise<void> {
    return this.page.context().close();
  }
}

/** What `watchPage` collects in the page. */
export interface Watched {
  shift: number;
  events: { type: string; detail: Record<string, unknown> }[];
}

declare global {
  interface Window {
    watched: Watched;
  }
}

/** Runs in the page before its own scripts: adds up layout shift and collects the carousel's events. */
function watchPage(): void {
  const watched: Watched = { shift: 0, events: [] };
  window.watched = watched;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) watched.shift += (entry as unknown as { value: number }).value;
  }).observe({ type: "layout-shift", buffered: true });
  for (const type of ["recsys:impression", "recsys:click", "recsys:error"]) {
    document.addEventListener(type, (event) => {
      watched.events.push({ type, detail: (event as CustomEvent<Record<string, unknown>>).detail });
    });
  }
}
