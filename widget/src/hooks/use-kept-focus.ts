import { type FocusEvent, useEffect, useRef } from "react";

/**
 * Keeps the keyboard's place: when the focused element inside `region` is replaced, the region itself takes the focus.
 *
 * @param shown what the region shows; a new value means that elements may have been replaced
 * @returns the region's focus handlers
 */
export function useKeptFocus(region: HTMLElement | null, shown: unknown) {
  const wasInside = useRef(false);
  useEffect(() => {
    // An element that is removed hands its focus to the body, and names no successor if it says anything at all.
    if (wasInside.current && document.activeElement === document.body) region?.focus({ preventScroll: true });
  }, [region, shown]);
  return {
    onFocus: () => {
      wasInside.current = true;
    },
    onBlur: (event: FocusEvent) => {
      wasInside.current = event.relatedTarget === null;
    },
  };
}
