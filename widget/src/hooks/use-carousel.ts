import useEmblaCarousel from "embla-carousel-react";
import { useEffect, useState } from "react";

type Embla = NonNullable<ReturnType<typeof useEmblaCarousel>[1]>;

/** Where a carousel stands: which cards are in view (counted from 0), and where it can go. */
export interface CarouselPosition {
  first: number;
  last: number;
  canGoBack: boolean;
  canGoOn: boolean;
}

export interface CarouselControls {
  position: CarouselPosition;
  /** Goes to the next page, or back. */
  turn: (isOnward: boolean) => void;
  /** Brings a card into view if it is not. */
  reveal: (index: number) => void;
}

export type Direction = "ltr" | "rtl";

const START: CarouselPosition = { first: 0, last: 0, canGoBack: false, canGoOn: false };

/** A page-wise carousel over the children of the viewport's first child; the viewport is set as a `ref`. */
export function useCarousel(direction: Direction): [(viewport: HTMLElement | null) => void, CarouselControls] {
  const [setViewport, embla] = useEmblaCarousel({
    align: "start",
    containScroll: "trimSnaps",
    direction,
    slidesToScroll: "auto",
    skipSnaps: true,
    // Embla's own focus handling goes by the time since a Tab key; `reveal` goes by the focus itself.
    watchFocus: false,
  });
  const position = usePosition(embla);
  useWheel(embla, direction);
  const controls: CarouselControls = {
    position,
    turn: (isOnward) => embla && turn(embla, isOnward),
    reveal: (index) => embla && reveal(embla, index),
  };
  return [setViewport, controls];
}

function usePosition(embla: Embla | undefined): CarouselPosition {
  const [position, setPosition] = useState(START);
  useEffect(() => {
    if (!embla) return;
    const update = () => setPosition(positionOf(embla));
    update();
    embla.on("select", update).on("reInit", update);
    return () => {
      embla.off("select", update).off("reInit", update);
    };
  }, [embla]);
  return position;
}

/** A swipe over a trackpad is over when nothing has come from it for so long. */
const SWIPE_ENDS_AFTER_MS = 150;

/** Turns a page for each sideways swipe over a trackpad. */
function useWheel(embla: Embla | undefined, direction: Direction): void {
  useEffect(() => {
    if (!embla) return;
    const viewport = embla.rootNode();
    let latest = 0;
    const swipe = (event: WheelEvent) => {
      const isOnward = event.deltaX > 0 === (direction === "ltr");
      if (Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
      if (event.timeStamp - latest > SWIPE_ENDS_AFTER_MS) turn(embla, isOnward);
      latest = event.timeStamp;
      // The browser would take the swipe for its own way back or on.
      event.preventDefault();
    };
    viewport.addEventListener("wheel", swipe, { passive: false });
    return () => viewport.removeEventListener("wheel", swipe);
  }, [embla, direction]);
}

function turn(embla: Embla, isOnward: boolean): void {
  const isJump = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (isOnward) embla.scrollNext(isJump);
  else embla.scrollPrev(isJump);
}

/**
 * The pages are Embla's groups of slides, so the position is known before the movement ends. The last page is drawn
 * full: it begins with slides that the group before it counts as its own.
 */
function positionOf(embla: Embla): CarouselPosition {
  const pages = embla.internalEngine().slideRegistry;
  const page = pages[embla.selectedScrollSnap()] ?? [];
  const last = page.at(-1) ?? 0;
  const isEnd = last === embla.slideNodes().length - 1;
  return {
    first: isEnd ? Math.max(0, last + 1 - (pages[0]?.length ?? 0)) : (page[0] ?? 0),
    last,
    canGoBack: embla.canScrollPrev(),
    canGoOn: embla.canScrollNext(),
  };
}

function reveal(embla: Embla, index: number): void {
  const slide = embla.slideNodes()[index];
  if (!slide || isWithin(slide, embla.rootNode())) return;
  embla.scrollTo(embla.internalEngine().slideRegistry.findIndex((slides) => slides.includes(index)), true);
}

/** Whether an element is horizontally inside another, to a pixel of rounding. */
function isWithin(inner: HTMLElement, outer: HTMLElement): boolean {
  const [a, b] = [inner.getBoundingClientRect(), outer.getBoundingClientRect()];
  return a.left >= b.left - 1 && a.right <= b.right + 1;
}
