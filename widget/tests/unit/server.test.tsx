import { renderToString } from "react-dom/server";
import { describe, expect, test } from "vitest";

import { ItemCard, RecommendationCarousel, type RecommendationsOptions, useRecommendations } from "../../src";
import { cardProps } from "../../src/components/card-props";
import { readAnswer } from "../../src/api/answer";
import { en } from "../../src/i18n/languages";
import { items } from "../support/items";

const { items: list } = readAnswer(JSON.stringify({ bundle_id: "b1", items: items(3, "") }));

describe("on a server", () => {
  function Page(options: RecommendationsOptions) {
    return <RecommendationCarousel {...useRecommendations(options)} />;
  }

  test("a skeleton is rendered where the browser will ask", () => {
    const html = renderToString(<Page endpoint="https://reco.shop.eu" kind="popular" />);
    expect(html).toContain("Popular right now");
    expect(html.match(/part="skeleton"/g)).toHaveLength(12);
  });

  test("nothing is rendered where there will be nothing to ask", () => {
    expect(renderToString(<Page endpoint="https://reco.shop.eu" kind="recently-viewed" consent />)).toBe("");
  });

  test("items that are there already are rendered", () => {
    const html = renderToString(<RecommendationCarousel status="loaded" items={list} kind="popular" />);
    expect(html.match(/<a /g)).toHaveLength(3);
  });
});

test("a router's link can take the place of the card's", () => {
  const Link = ({ href, ...rest }: { href: string }) => <a href={`/app${href}`} data-router {...rest} />;
  const [item] = list;
  if (!item) throw new Error("no item");
  const html = renderToString(<ItemCard {...cardProps(item, en, "en", "EUR")} as={Link} />);
  expect(html).toMatch(/^<a href="\/app\/products\/0" data-router="true" part="card"/);
});
