import { type ReactNode, useState } from "react";

import type { CarouselControls } from "../hooks/use-carousel";
import { fill, type Messages } from "../i18n/messages";
import { CarouselButton } from "./carousel-button";

export type HeadingLevel = 2 | 3 | 4;

/** A heading in the carousel's own style. */
export function CarouselHeading({ level, children }: { level: HeadingLevel; children: ReactNode }) {
  const Heading = `h${level}` as const;
  return <Heading className="rs:heading">{children}</Heading>;
}

interface CarouselHeaderProps {
  /** The id of the element that names the region. */
  id: string;
  heading: ReactNode;
  carousel: CarouselControls;
  texts: Messages;
  total: number;
}

/** The carousel's name and its buttons; they keep their room where there is nothing to turn. */
export function CarouselHeader({ id, heading, carousel, texts, total }: CarouselHeaderProps) {
  const { first, last, canGoBack, canGoOn } = carousel.position;
  const [hasTurned, setTurned] = useState(false);
  const turn = (isOnward: boolean) => () => {
    setTurned(true);
    carousel.turn(isOnward);
  };
  const position = fill(texts.position, { first: first + 1, last: last + 1, total });
  return (
    <div part="header" className="rs:header">
      <div id={id} part="heading">
        {heading}
      </div>
      <div part="controls" className={`rs:flex rs:gap-2 ${total && (canGoBack || canGoOn) ? "" : "rs:invisible"}`}>
        <CarouselButton side="previous" label={texts.previous} isDisabled={!canGoBack} onClick={turn(false)} />
        <CarouselButton side="next" label={texts.next} isDisabled={!canGoOn} onClick={turn(true)} />
      </div>
      <div role="status" className="rs:visually-hidden">
        {hasTurned && position}
      </div>
    </div>
  );
}
