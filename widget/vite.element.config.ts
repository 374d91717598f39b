import tailwindcss from "@tailwindcss/vite";
import { defineConfig, type Plugin } from "vite";

import { BROWSERS } from "./browsers.config.ts";

/** The script for any page: one file that defines `<recsys-carousel>`, with its styles inside and Preact for React. */
export default defineConfig({
  plugins: [tailwindcss(), asciiOnly()],
  resolve: {
    alias: [
      { find: /^react-dom\/client$/, replacement: "preact/compat/client" },
      { find: /^react(-dom)?$/, replacement: "preact/compat" },
      { find: /^react\/jsx-runtime$/, replacement: "preact/jsx-runtime" },
    ],
  },
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    target: BROWSERS,
    outDir: "dist/element",
    lib: {
      entry: "src/element/index.ts",
      formats: ["iife"],
      name: "RecSysCarousel",
      fileName: () => "recsys-carousel.js",
    },
  },
});

/** Escapes every letter beyond ASCII, so that a page in another encoding shows the same words. */
function asciiOnly(): Plugin {
  return {
    name: "ascii-only",
    enforce: "post",
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === "chunk") chunk.code = chunk.code.replace(/[^\x00-\x7f]/g, escaped);
      }
    },
  };
}

function escaped(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
