import { useEffect, useRef } from "react";

/** An item counts as seen once half of its card has been in view for a second. */
const SEEN_SHARE = 0.5;
const SEEN_AFTER_MS = 1000;

/** The share that the browser reports on crossing a half may be a hair less. */
const ROUNDING = 0.01;

/**
 * Calls `onSeen(index)` once for each child of the list that was half visible for a second.
 *
 * @param shown what the list shows; a new value starts the count anew
 */
export function useImpressions(
  list: HTMLElement | null,
  shown: readonly unknown[],
  onSeen: (index: number) => void,
): void {
  const latest = useRef(onSeen);
  useEffect(() => {
    latest.current = onSeen;
  });
  useEffect(() => {
    if (!list || shown.length === 0) return;
    return watch([...list.children], (index) => latest.current(index));
  }, [list, shown]);
}

/** Watches elements until each was seen; returns how to stop. */
function watch(elements: readonly Element[], onSeen: (index: number) => void): () => void {
  const timers = new Map<Element, ReturnType<typeof setTimeout>>();
  const cancel = (element: Element) => {
    clearTimeout(timers.get(element));
    timers.delete(element);
  };
  const start = (element: Element) => {
    const timer = setTimeout(() => {
      // A page in a background tab is seen by nobody: the second starts again.
      if (document.hidden) return start(element);
      observer.unobserve(element);
      timers.delete(element);
      onSeen(elements.indexOf(element));
    }, SEEN_AFTER_MS);
    timers.set(element, timer);
  };
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, intersectionRatio } of entries) {
        if (intersectionRatio < SEEN_SHARE - ROUNDING) cancel(target);
        else if (!timers.has(target)) start(target);
      }
    },
    { threshold: SEEN_SHARE },
  );
  for (const element of elements) observer.observe(element);
  return () => {
    observer.disconnect();
    for (const timer of timers.values()) clearTimeout(timer);
  };
}
