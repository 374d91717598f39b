import * as languages from "../i18n/languages";
import type { Messages } from "../i18n/messages";

/** The texts of a locale such as `de-AT`; English where its language is not spoken. */
export function messagesFor(locale: string): Messages {
  const language = locale.toLowerCase().split(/[-_]/, 1)[0] ?? "";
  return (languages as Readonly<Record<string, Messages>>)[language] ?? languages.en;
}
