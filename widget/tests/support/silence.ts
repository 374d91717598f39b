import { afterEach, beforeEach, expect, type MockInstance, vi } from "vitest";

const METHODS = ["debug", "info", "log", "warn", "error"] as const;

let spies: MockInstance[] = [];

beforeEach(() => {
  spies = METHODS.map((method) => vi.spyOn(console, method).mockImplementation(() => undefined));
});

// What a widget writes to the console of a shop, its developers read as a fault of their own.
afterEach(() => {
  const written: unknown[] = spies.flatMap((spy) => spy.mock.calls);
  for (const spy of spies) spy.mockRestore();
  expect(written).toEqual([]);
});
