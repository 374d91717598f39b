import { forgetSession } from "./session";

type Listener = () => void;

const listeners = new Set<Listener>();
let decision: boolean | undefined;

/**
 * The shopper's answer, for every carousel of the page. It outranks the `consent` of each carousel.
 *
 * Withdrawal forgets at once: the session list is deleted, requests under way are dropped, personal cards leave the
 * page. The answer itself is not stored; the shop's consent banner gives it anew on each page.
 */
export function setConsent(given: boolean): void {
  decision = given;
  if (!given) forgetSession();
  for (const listener of [...listeners]) listener();
}

/** Whether a carousel whose own `consent` is given may name the shopper and keep the session list. */
export function isAllowed(consent: boolean | undefined): boolean {
  return decision ?? consent ?? false;
}

/** Calls the listener after every `setConsent`; returns how to stop. */
export function onConsentChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
