import { cva } from "class-variance-authority";

const button = /* @__PURE__ */ cva("rs:round-button", {
  variants: { side: { previous: "rs:pointing-to-start", next: "rs:pointing-to-end" } },
});

interface CarouselButtonProps {
  side: "previous" | "next";
  label: string;
  isDisabled: boolean;
  onClick: () => void;
}

/**
 * Turns a page of the carousel.
 *
 * It is `aria-disabled` at the end instead of `disabled`: a button that is disabled under the finger loses the focus.
 */
export function CarouselButton({ side, label, isDisabled, onClick }: CarouselButtonProps) {
  return (
    <button
      type="button"
      part={`button ${side}`}
      className={button({ side })}
      aria-label={label}
      aria-disabled={isDisabled}
      onClick={isDisabled ? undefined : onClick}
    >
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" className="rs:line-drawing">
        <path d="m15 6-6 6 6 6" />
      </svg>
    </button>
  );
}
