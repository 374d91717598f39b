import { describe, expect, test } from "vitest";

import { page, tag } from "../support/pages";
import { answer } from "../support/servers";
import { type Scene, stage } from "../support/stage";

const { shop, open } = stage();

/** The place in the list of the card that has the focus; -1 if none has. */
function focused({ carousel }: Scene): Promise<number> {
  return carousel.evaluate((element) => {
    const places = [...(element.shadowRoot?.querySelectorAll("li") ?? [])];
    return places.findIndex((place) => place.contains(element.shadowRoot?.activeElement ?? null));
  });
}

/** Whether a card is horizontally within the carousel. */
function inView({ cards, carousel }: Scene, index: number): Promise<boolean> {
  return Promise.all([cards.nth(index).boundingBox(), carousel.boundingBox()]).then(([card, all]) => {
    if (!card || !all) return false;
    return card.x >= all.x - 1 && card.x + card.width <= all.x + all.width + 1;
  });
}

async function loaded(html = tag(shop), options?: Parameters<typeof open>[1]): Promise<Scene> {
  const scene = await open(html, options);
  await scene.cards.getByRole("link").first().waitFor();
  // The buttons come with the carousel's first measurement of itself.
  await scene.carousel.getByRole("button", { name: "More products" }).waitFor();
  return scene;
}

test("Tab goes to the buttons and through all cards, and each is in view while it has the focus", async () => {
  const scene = await loaded();
  const { keyboard } = scene.page;
  await keyboard.press("Tab");
  await keyboard.press("Tab");
  for (let index = 0; index < 12; index++) {
    await keyboard.press("Tab");
    expect(await focused(scene)).toBe(index);
    expect(await inView(scene, index)).toBe(true);
  }
  await keyboard.press("Tab");
  expect(await focused(scene)).toBe(-1);
});

describe.each([
  ["ltr", "ArrowRight", "ArrowLeft"],
  ["rtl", "ArrowLeft", "ArrowRight"],
])("%s", (direction, onward, backward) => {
  test("arrow keys, Home and End move between the cards", async () => {
    const scene = await loaded(page(tag(shop), "", `lang="en" dir="${direction}"`));
    await scene.cards.getByRole("link").first().focus();
    const steps: [string, number][] = [
      [onward, 1],
      [onward, 2],
      [backward, 1],
      ["End", 11],
      [onward, 11],
      ["Home", 0],
      [backward, 0],
    ];
    for (const [key, index] of steps) {
      await scene.page.keyboard.press(key);
      expect([key, await focused(scene), await inView(scene, index)]).toEqual([key, index, true]);
    }
  });

  test("the buttons turn pages in the direction of the page", async () => {
    const scene = await loaded(page(tag(shop), "", `lang="en" dir="${direction}"`));
    const start = await scene.cards.first().boundingBox();
    await scene.carousel.getByRole("button", { name: "More products" }).click();
    await expect.poll(() => inView(scene, 6)).toBe(true);
    const moved = ((await scene.cards.first().boundingBox())?.x ?? 0) - (start?.x ?? 0);
    expect(Math.sign(moved)).toBe(direction === "rtl" ? 1 : -1);
  });
});

test("a button at its end is disabled but keeps the focus", async () => {
  const scene = await loaded();
  const next = scene.carousel.getByRole("button", { name: "More products" });
  const previous = scene.carousel.getByRole("button", { name: "Previous products" });
  expect(await previous.getAttribute("aria-disabled")).toBe("true");
  await next.focus();
  for (let press = 0; press < 4; press++) await scene.page.keyboard.press("Enter");
  await expect.poll(() => next.getAttribute("aria-disabled")).toBe("true");
  expect(await scene.carousel.evaluate((element) => element.shadowRoot?.activeElement?.ariaLabel)).toBe("More products");
  expect(await previous.getAttribute("aria-disabled")).toBe("false");
  await expect.poll(() => inView(scene, 11)).toBe(true);
});

test("turning a page is announced", async () => {
  const scene = await loaded();
  const status = scene.carousel.getByRole("status");
  expect(await status.textContent()).toBe("");
  await scene.carousel.getByRole("button", { name: "More products" }).click();
  await expect.poll(() => status.textContent()).toMatch(/^Products \u2068\d+\u2069 to \u2068\d+\u2069 of \u206812\u2069$/);
});

test("focus stays in the region when its cards are replaced", async () => {
  shop.script = (call, ...rest) => answer(3, (item) => ({ ...item, item_id: `${call}-${item.item_id}` }))(call, ...rest);
  const scene = await open(tag(shop));
  await scene.cards.getByRole("link").nth(1).focus();
  await scene.carousel.evaluate((element) => element.setAttribute("category", "another"));
  await expect.poll(() => shop.calls.length).toBe(2);
  await expect
    .poll(() => scene.carousel.evaluate((element) => element.shadowRoot?.activeElement?.getAttribute("part")))
    .toBe("root");
  await scene.page.keyboard.press("Tab");
  expect(await focused(scene)).toBe(0);
});

test("whoever asks for less motion gets none", async () => {
  const scene = await loaded(undefined, { reducedMotion: "reduce" });
  await scene.carousel.getByRole("button", { name: "More products" }).click();
  const places = await scene.carousel.evaluate(async (element) => {
    const list = element.shadowRoot?.querySelector("ul");
    const frames: string[] = [];
    for (let frame = 0; frame < 8; frame++) {
      await new Promise(requestAnimationFrame);
      frames.push(list?.style.transform ?? "");
    }
    return frames.slice(1);
  });
  expect(new Set(places).size).toBe(1);
  const running = await scene.carousel.evaluate((element) => element.shadowRoot?.getAnimations().length);
  expect(running).toBe(0);
});

test("a sideways swipe over a trackpad turns one page, a scroll down none", async () => {
  const scene = await loaded(`${tag(shop)}<div style="height: 200vh"></div>`);
  await scene.cards.first().hover();
  for (let move = 0; move < 5; move++) await scene.page.mouse.wheel(60, 2);
  await expect.poll(() => inView(scene, 5)).toBe(true);
  expect(await inView(scene, 11)).toBe(false);
  await scene.page.mouse.wheel(0, 120);
  await expect.poll(() => scene.page.evaluate(() => window.scrollY)).toBe(120);
  expect(await inView(scene, 5)).toBe(true);
});

test("a finger drags the cards, and a drag opens none of them", async () => {
  const scene = await loaded(undefined, { hasTouch: true, viewport: { width: 390, height: 700 } });
  const box = await scene.cards.nth(1).boundingBox();
  if (!box) throw new Error("the second card is not laid out");
  const session = await scene.page.context().newCDPSession(scene.page);
  const y = box.y + 40;
  await session.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: box.x + 60, y }] });
  for (let x = box.x + 50; x > box.x - 150; x -= 20) {
    await session.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: [{ x, y }] });
  }
  await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await expect.poll(() => inView(scene, 0)).toBe(false);
  expect(scene.page.url()).toBe(`${shop.origin}/`);
});
