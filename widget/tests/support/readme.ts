import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const README = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

export interface Snippet {
  language: string;
  code: string;
}

/** The code blocks under a heading of the README. */
export function snippets(heading: string): Snippet[] {
  const start = README.search(new RegExp(`^#+ ${heading}$`, "m"));
  if (start < 0) throw new Error(`the README has no heading ${heading}`);
  const [section = ""] = README.slice(start + 4).split(/^#+ /m);
  return [...section.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language = "", code = ""]) => ({ language, code }));
}

/** The only code block of a language under a heading. */
export function snippet(heading: string, language: string): string {
  const [found, ...more] = snippets(heading).filter((one) => one.language === language);
  if (!found || more.length > 0) throw new Error(`under ${heading} there should be one block of ${language}`);
  return found.code;
}

/** What a shop system makes of a snippet, by its real engine. */
export function render(system: string, code: string): string {
  const script = fileURLToPath(new URL("shops.php", import.meta.url));
  return execFileSync("php", [script, system], { input: code, encoding: "utf8" });
}
