import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** The flags under which Debian's Chromium runs headless as root and calls nobody. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: FLAGS });
}

/** What a page did that a test may want to know. */
export interface Visit {
  page: Page;
  /** Everything on the console but the browser's own word that a request failed; and uncaught errors. */
  console: string[];
  /** The address of every request. */
  requests: string[];
  close: () => Promise<void>;
}

/** Opens a page in a fresh profile. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const messages: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (!message.text().startsWith("Failed to load resource")) messages.push(message.text());
  });
  page.on("pageerror", (error) => messages.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.addInitScript(watchPage);
  await page.goto(url);
  return { page, console: messages, requests, close: () => context.close() };
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
