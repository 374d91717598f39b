import { type ComponentType, useId, useLayoutEffect } from "react";

import type { ItemCardProps } from "../components/item-card";
import { safeUrl } from "../lib/safe-url";

/**
 * A card that the shop draws itself, from `<template slot="card">` in the tag.
 *
 * Each card is a copy of the template among the tag's own children, so the shop's style sheet reaches it. In the copy
 * `data-recsys` says what an element shows: `title`, `brand`, `category`, `price`, `reason`, `sold-out` (as text),
 * `link` (as its `href`) and `image` (as its `src`).
 */
export function slottedCard(host: HTMLElement, template: HTMLTemplateElement): ComponentType<ItemCardProps> {
  return function SlottedCard({ item, href, price, reason, soldOut }) {
    const name = `card-${useId()}`;
    useLayoutEffect(() => {
      const copy = document.createElement("div");
      copy.slot = name;
      copy.append(template.content.cloneNode(true));
      fillIn(copy, { item, href, price, reason, soldOut });
      host.append(copy);
      return () => copy.remove();
    }, [name, item, href, price, reason, soldOut]);
    return <slot name={name} />;
  };
}

function fillIn(copy: Element, { item, href, price, reason, soldOut }: ItemCardProps): void {
  const { title, brand, category } = item;
  const texts: Record<string, string | null> = { title, brand, category, price, reason, "sold-out": soldOut };
  for (const element of copy.querySelectorAll<HTMLElement>("[data-recsys]")) {
    const part = element.dataset["recsys"] ?? "";
    if (part === "link" && href) element.setAttribute("href", href);
    else if (part === "image") setPicture(element, safeUrl(item.img_url));
    else if (part in texts) setText(element, texts[part] ?? "");
  }
}

function setText(element: HTMLElement, text: string): void {
  element.textContent = text;
  element.hidden = text === "";
}

function setPicture(element: HTMLElement, address: string | null): void {
  if (address) element.setAttribute("src", address);
  element.hidden = !address;
}
