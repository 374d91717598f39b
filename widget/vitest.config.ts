import { defineConfig } from "vitest/config";

/** `unit` in Node, `browser` in Chromium on the built script, `screenshots` for looking at. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["tests/unit/**/*.test.{ts,tsx}"],
          setupFiles: "tests/support/silence.ts",
        },
      },
      {
        test: {
          name: "browser",
          include: ["tests/browser/**/*.test.ts"],
          globalSetup: "tests/support/chromium.ts",
          testTimeout: 30_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 8000 } },
        },
      },
      {
        test: {
          name: "screenshots",
          include: ["tests/screenshots/*.test.ts"],
          globalSetup: "tests/support/chromium.ts",
          testTimeout: 120_000,
        },
      },
    ],
  },
});
