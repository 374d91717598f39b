import type { en } from "./en";

/** Every text of the carousel by key. `{item}`, `{category}`, `{first}`, `{last}` and `{total}` are filled in. */
export type Messages = Record<keyof typeof en, string>;

/** Fills the `{name}` places of a message; a value keeps its own writing direction inside the sentence. */
export function fill(message: string, values: Readonly<Record<string, string | number>>): string {
  return message.replace(/\{(\w+)\}/g, (place, name: string) => {
    const value = values[name];
    return value === undefined ? place : `\u2068${value}\u2069`;
  });
}
