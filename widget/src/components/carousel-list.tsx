import type { FocusEvent, KeyboardEvent, MouseEvent, ReactNode } from "react";

import type { CarouselControls, Direction } from "../hooks/use-carousel";

/** A place in the list: `key` tells it from the others, `content` is its card. */
export interface Slide {
  key: string;
  content: ReactNode;
}

interface CarouselListProps {
  setViewport: (element: HTMLElement | null) => void;
  setList: (element: HTMLElement | null) => void;
  slides: readonly Slide[];
  carousel: CarouselControls;
  direction: Direction;
  /** A card's link was followed, by any button of the mouse. */
  onOpen: (index: number, event: MouseEvent) => void;
}

/** The cards in a row, as a list. Arrow keys, Home and End move between the links; the focused card is in view. */
export function CarouselList({ setViewport, setList, slides, carousel, direction, onOpen }: CarouselListProps) {
  const reveal = (index: number) => (event: FocusEvent<HTMLElement>) => {
    if (event.target.matches(":focus-visible")) carousel.reveal(index);
  };
  const open = (index: number) => (event: MouseEvent<HTMLElement>) => {
    if ((event.target as Element).closest("a, button")) onOpen(index, event);
  };
  return (
    <div ref={setViewport} part="viewport" className="rs:overflow-clip">
      {/* The role is said again because Safari drops it from lists without bullets. */}
      <ul ref={setList} role="list" part="list" className="rs:card-row" onKeyDown={(event) => moveFocus(event, direction)}>
        {slides.map(({ key, content }, index) => (
          <li
            key={key}
            part="item"
            className="rs:card-slot"
            onFocus={reveal(index)}
            onClick={open(index)}
            onAuxClick={open(index)}
          >
            {content}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Moves the focus to the link of the neighbouring, first or last card. */
function moveFocus(event: KeyboardEvent<HTMLElement>, direction: Direction): void {
  const places = [...event.currentTarget.children];
  const path = event.nativeEvent.composedPath();
  const index = places.findIndex((place) => path.includes(place));
  const onward = direction === "rtl" ? -1 : 1;
  const keys: Readonly<Record<string, number>> = {
    ArrowRight: index + onward,
    ArrowLeft: index - onward,
    Home: 0,
    End: places.length - 1,
  };
  const place = places[keys[event.key] ?? -1];
  if (!place) return;
  event.preventDefault();
  linkIn(place)?.focus({ preventScroll: true });
}

/** The first link or button of a card, also where the card is the shop's own and only slotted in. */
function linkIn(place: Element): HTMLElement | null {
  const card = place.querySelector("slot")?.assignedElements()[0] ?? place;
  return card.querySelector<HTMLElement>("a[href], button");
}
