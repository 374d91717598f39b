// @vitest-environment happy-dom
import { beforeEach, describe, expect, test, vi } from "vitest";

import { isAllowed, onConsentChange, setConsent } from "../../src/privacy/consent";
import { recordView, SESSION_KEY, viewedItems } from "../../src/privacy/session";

beforeEach(() => sessionStorage.clear());

describe("session list", () => {
  test("newest first, each item once, twenty at most", () => {
    for (let index = 0; index < 25; index++) recordView(`i${index}`);
    recordView("i20");
    expect(viewedItems().slice(0, 3)).toEqual(["i20", "i24", "i23"]);
    expect(viewedItems()).toHaveLength(20);
  });

  test.each(["{", "null", '{"a": 1}', "[1, null]"])("%s from elsewhere is no list", (stored) => {
    sessionStorage.setItem(SESSION_KEY, stored);
    expect(viewedItems()).toEqual([]);
  });

  test("a closed storage costs the list and nothing else", () => {
    const storage = vi.spyOn(window, "sessionStorage", "get").mockImplementation(() => {
      throw new DOMException("closed", "SecurityError");
    });
    recordView("a");
    expect(viewedItems()).toEqual([]);
    setConsent(false);
    storage.mockRestore();
  });
});

test("a decision outranks the carousel's own consent, and listeners hear of it", () => {
  const heard = vi.fn();
  const stop = onConsentChange(heard);
  setConsent(true);
  expect([isAllowed(undefined), isAllowed(false)]).toEqual([true, true]);
  setConsent(false);
  expect([isAllowed(undefined), isAllowed(true)]).toEqual([false, false]);
  stop();
  setConsent(false);
  expect(heard).toHaveBeenCalledTimes(2);
});

test("withdrawal deletes the session list", () => {
  recordView("a");
  setConsent(false);
  expect(sessionStorage).toHaveLength(0);
});
