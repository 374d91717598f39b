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
          testTimeout: 15_000,
        },
      },
      {
        test: {
          name: "screenshots",
          include: ["tests/screenshots/*.test.ts"],
          testTimeout: 120_000,
        },
      },
    ],
  },
});
