import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vite";

import { BROWSERS } from "./browsers.config.ts";

/** The npm package: one ES module that leaves React and its own dependencies to the shop's bundler, and one style sheet. */
export default defineConfig({
  plugins: [tailwindcss()],
  build: {
    target: BROWSERS,
    outDir: "dist/package",
    minify: false,
    cssCodeSplit: true,
    lib: { entry: { index: "src/index.ts", carousel: "src/styles/carousel.css" }, formats: ["es"] },
    rolldownOptions: {
      external: [/^react/, "class-variance-authority", "embla-carousel-react"],
      output: { banner: '"use client";', assetFileNames: "[name][extname]" },
    },
  },
});
