import { type MouseEvent, useCallback, useMemo } from "react";

import type { LoadError } from "../api/load-error";
import { CarouselHeading } from "../components/carousel-header";
import { ItemCard } from "../components/item-card";
import type { ItemEvent } from "../components/item-event";
import { RecommendationCarousel } from "../components/recommendation-carousel";
import { useRecommendations } from "../hooks/use-recommendations";
import { messagesFor } from "./messages-for";
import type { Settings } from "./settings";
import { slottedCard } from "./slotted-card";

interface AppProps {
  host: HTMLElement;
  settings: Settings;
}

/** The carousel inside a tag: attributes in, events out. */
export function App({ host, settings }: AppProps) {
  const { options, heading, headingLevel, texts, ...display } = settings;
  const placement = settings.placement ?? options.kind;
  const onError = useCallback(
    ({ code, status, message }: LoadError) => {
      dispatch(host, "recsys:error", { placement, kind: options.kind, code, status, message });
    },
    [host, placement, options.kind],
  );
  const recommendations = useRecommendations({ ...options, onError });
  const template = host.querySelector<HTMLTemplateElement>(":scope > template[slot=card]");
  const Card = useMemo(() => (template ? slottedCard(host, template) : ItemCard), [host, template]);
  const messages = useMemo(() => ({ ...messagesFor(display.locale), ...texts }), [display.locale, texts]);
  return (
    <RecommendationCarousel
      {...recommendations}
      {...display}
      messages={messages}
      placement={placement}
      placeholders={options.n}
      heading={
        <slot name="heading">
          <CarouselHeading level={headingLevel}>{heading ?? messages[`heading.${options.kind}`]}</CarouselHeading>
        </slot>
      }
      itemComponent={Card}
      onImpression={(event) => dispatch(host, "recsys:impression", event)}
      onItemClick={(event, mouse) => follow(host, event, mouse)}
    />
  );
}

/** A shop that handles the click itself prevents the default of the event, and the link is not followed. */
function follow(host: HTMLElement, event: ItemEvent, mouse: MouseEvent): void {
  if (!dispatch(host, "recsys:click", event)) mouse.preventDefault();
}

function dispatch(host: HTMLElement, type: string, detail: object): boolean {
  return host.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable: true }));
}
