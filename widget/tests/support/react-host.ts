import { fileURLToPath } from "node:url";
import { build, type Plugin, type Rolldown } from "vite";

const WIDGET = fileURLToPath(new URL("../..", import.meta.url));

const MAIN = `${WIDGET}tests/hosts/main.tsx`;

/** Stands beside the usual host, so that it finds the same packages. */
const ENTRY = `${WIDGET}tests/hosts/entry.tsx`;

export interface Host {
  script: string;
  styles: string;
}

/**
 * A shop's React page on the built package, as its bundler would make it for development, where React warns.
 *
 * @param home the folder whose node_modules hold the React to build with, from the widget's root
 * @param code the page's code instead of that of the usual host
 */
export async function buildHost(home: string, code?: string): Promise<Host> {
  const result = (await build({
    configFile: false,
    logLevel: "error",
    mode: "development",
    root: WIDGET + home,
    define: { "process.env.NODE_ENV": '"development"' },
    plugins: [entry(code)],
    resolve: {
      alias: [
        { find: /^@recsys-lite\/carousel$/, replacement: `${WIDGET}dist/package/index.js` },
        { find: "@recsys-lite/carousel/carousel.css", replacement: `${WIDGET}dist/package/carousel.css` },
      ],
      dedupe: ["react", "react-dom"],
    },
    build: {
      write: false,
      minify: false,
      lib: { entry: code === undefined ? MAIN : ENTRY, formats: ["iife"], name: "Host", cssFileName: "host" },
    },
  })) as Rolldown.RolldownOutput[];
  const files = result.flatMap(({ output }) => output);
  const text = (suffix: string) => {
    const file = files.find(({ fileName }) => fileName.endsWith(suffix));
    return file?.type === "chunk" ? file.code : String(file?.source);
  };
  return { script: text(".js"), styles: text(".css") };
}

/** Provides a module's code without a file. */
function entry(code: string | undefined): Plugin {
  return {
    name: "entry",
    resolveId: (id) => (id === ENTRY ? id : null),
    load: (id) => (id === ENTRY && code !== undefined ? code : null),
  };
}
