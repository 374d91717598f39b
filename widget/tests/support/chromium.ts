import { chromium } from "playwright-core";
import type { TestProject } from "vitest/node";

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

declare module "vitest" {
  export interface ProvidedContext {
    /** Where the tests find the browser. */
    chromium: string;
  }
}

/** One browser for all test files; each opens profiles of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await chromium.launchServer({ executablePath: "/usr/bin/chromium", headless: true, args: FLAGS });
  project.provide("chromium", server.wsEndpoint());
  return () => server.close();
}
