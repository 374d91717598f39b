import { cva } from "class-variance-authority";
import { type ComponentType, type MouseEvent, type ReactNode, useId, useMemo, useState } from "react";

import type { Kind } from "../api/request";
import type { RecommendedItem } from "../api/types";
import { type Direction, useCarousel } from "../hooks/use-carousel";
import { useDisplay } from "../hooks/use-display";
import { useImpressions } from "../hooks/use-impressions";
import { useKeptFocus } from "../hooks/use-kept-focus";
import type { LoadStatus } from "../hooks/use-recommendations";
import { en } from "../i18n/en";
import type { Messages } from "../i18n/messages";
import { CarouselHeader, CarouselHeading, type HeadingLevel } from "./carousel-header";
import { CarouselList, type Slide } from "./carousel-list";
import { ItemCard, type ItemCardProps } from "./item-card";
import { cardProps } from "./card-props";
import { type ItemEvent, itemEvent } from "./item-event";
import { SkeletonCard } from "./skeleton-card";

export interface RecommendationCarouselProps {
  status: LoadStatus;
  items: readonly RecommendedItem[];
  kind: Kind;
  bundleId?: string | undefined;
  /** Names this place of the page in events; the kind unless told. */
  placement?: string | undefined;
  /** A text, or what stands in its place; the kind in words unless told. */
  heading?: ReactNode;
  headingLevel?: HeadingLevel | undefined;
  /** Writes prices; a BCP 47 tag such as `de-AT`, and the `de_AT` of shop systems is understood. */
  locale?: string | undefined;
  /** The currency of items that name none (ISO 4217). */
  currency?: string | undefined;
  /** The texts of another language, such as `de`, or some of them; English unless told. */
  messages?: Partial<Messages> | undefined;
  /** Cards in the skeleton. */
  placeholders?: number | undefined;
  /** `auto` follows the page's own `color-scheme`. */
  theme?: "auto" | "light" | "dark" | undefined;
  className?: string | undefined;
  /** Draws a card in place of `ItemCard`. */
  itemComponent?: ComponentType<ItemCardProps> | undefined;
  /** An item was half visible for a second; called once for each item of an answer. */
  onImpression?: ((event: ItemEvent) => void) | undefined;
  /** An item's link was followed; `preventDefault` of the mouse event keeps the browser on the page. */
  onItemClick?: ((event: ItemEvent, mouse: MouseEvent) => void) | undefined;
}

const root = /* @__PURE__ */ cva("rs-root", {
  variants: {
    theme: { auto: "", light: "rs:scheme-light", dark: "rs:scheme-dark" },
    display: { shown: "", hidden: "rs:invisible" },
  },
});

/** About a screen's worth. */
const DEFAULT_PLACEHOLDERS = 12;

/**
 * Recommended items as a carousel, from what `useRecommendations` returns.
 *
 * While loading it is a skeleton of the final size. Without items it renders nothing; if the shopper is looking at the
 * place just then, its room stays empty until it is out of view, so that nothing on the page jumps.
 */
export function RecommendationCarousel(props: RecommendationCarouselProps) {
  const { items, status, theme = "auto", locale = "en" } = props;
  const [section, setSection] = useState<HTMLElement | null>(null);
  const [list, setList] = useState<HTMLElement | null>(null);
  const headingId = useId();
  const direction = useMemo(() => directionOf(section), [section]);
  const [setViewport, carousel] = useCarousel(direction);
  const display = useDisplay(section, status === "loading" || items.length > 0);
  const texts = useMemo(() => ({ ...en, ...props.messages }), [props.messages]);
  const slides = items.length > 0 ? cardSlides(props, texts) : skeletonSlides(props.placeholders);

  const keptFocus = useKeptFocus(section, items);
  useImpressions(list, items, (index) => withItem(props, index, props.onImpression));
  if (display === "gone") return null;
  return (
    <section
      ref={setSection}
      part="root"
      className={root({ theme, display, className: props.className })}
      lang={locale.replace("_", "-")}
      aria-labelledby={headingId}
      aria-busy={status === "loading"}
      tabIndex={-1}
      {...keptFocus}
    >
      <CarouselHeader
        id={headingId}
        heading={headingOf(props, texts)}
        carousel={carousel}
        texts={texts}
        total={items.length}
      />
      <CarouselList
        setViewport={setViewport}
        setList={setList}
        slides={slides}
        carousel={carousel}
        direction={direction}
        onOpen={(index, mouse) => withItem(props, index, (event) => props.onItemClick?.(event, mouse))}
      />
    </section>
  );
}

/** The writing direction that the page gives an element. */
function directionOf(element: Element | null): Direction {
  return element && getComputedStyle(element).direction === "rtl" ? "rtl" : "ltr";
}

function headingOf({ heading, headingLevel = 2, kind }: RecommendationCarouselProps, texts: Messages): ReactNode {
  const content = heading ?? texts[`heading.${kind}`];
  return typeof content === "string" ? <CarouselHeading level={headingLevel}>{content}</CarouselHeading> : content;
}

function cardSlides(props: RecommendationCarouselProps, texts: Messages): Slide[] {
  const { items, itemComponent: Card = ItemCard, locale = "en", currency } = props;
  return items.map((item) => ({
    key: item.item_id,
    content: <Card {...cardProps(item, texts, locale, currency)} />,
  }));
}

function skeletonSlides(count = DEFAULT_PLACEHOLDERS): Slide[] {
  return Array.from({ length: count }, (_, index) => ({ key: `skeleton-${index}`, content: <SkeletonCard /> }));
}

function withItem(props: RecommendationCarouselProps, index: number, tell?: (event: ItemEvent) => void): void {
  const item = props.items[index];
  if (item) tell?.(itemEvent(item, props));
}
