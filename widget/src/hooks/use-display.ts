import { useEffect, useState } from "react";

/**
 * How a part of the page that may turn out to be empty is shown:
 *
 * - `shown`: with its content
 * - `hidden`: the content is gone, its room is kept, for the shopper is looking at what stands around it
 * - `gone`: nothing is rendered
 */
export type Display = "shown" | "hidden" | "gone";

/**
 * Takes a part of the page away without moving anything that the shopper sees: its room is given up only once it is
 * out of view. A part that never had content never takes room.
 */
export function useDisplay(part: Element | null, hasContent: boolean): Display {
  const [isGone, setGone] = useState(true);
  if (hasContent && isGone) setGone(false);
  useEffect(() => {
    if (hasContent || !part) return;
    const observer = new IntersectionObserver((entries) => {
      if (!entries.at(-1)?.isIntersecting) setGone(true);
    });
    observer.observe(part);
    return () => observer.disconnect();
  }, [part, hasContent]);
  if (hasContent) return "shown";
  return isGone ? "gone" : "hidden";
}
