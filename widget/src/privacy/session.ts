/** The key in sessionStorage: item ids of this visit, newest first. It is written with consent only. */
export const SESSION_KEY = "recsys.session";

/** More than a visit's worth; the service itself takes the newest ones into account. */
const MAX_ITEMS = 20;

/** The items viewed in this visit, newest first. Callers ask for consent first. */
export function viewedItems(): string[] {
  try {
    const stored: unknown = JSON.parse(window.sessionStorage.getItem(SESSION_KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((id) => typeof id === "string").slice(0, MAX_ITEMS) : [];
  } catch {
    // Storage is closed to this page, or holds what somebody else wrote: no list.
    return [];
  }
}

/** Puts an item first in the list. Callers ask for consent first. */
export function recordView(itemId: string): void {
  const items = [itemId, ...viewedItems().filter((id) => id !== itemId)].slice(0, MAX_ITEMS);
  try {
    window.sessionStorage.setItem(SESSION_KEY, JSON.stringify(items));
  } catch {
    // A full or closed storage costs the list, never the page.
  }
}

/** Deletes the list. */
export function forgetSession(): void {
  try {
    window.sessionStorage.removeItem(SESSION_KEY);
  } catch {
    // Storage that is closed to this page holds no list.
  }
}
