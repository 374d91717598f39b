import { type CSSProperties, useState } from "react";

import { hueOf } from "../lib/hue";
import { safeUrl } from "../lib/safe-url";

interface ItemPictureProps {
  address: string;
  category: string;
}

/** The size that the `img` element announces; the layout makes it the width of the card. */
const NOMINAL_PX = 320;

/**
 * The item's picture, square and lazy; a drawing of its category where there is none or it does not load.
 *
 * It is decoration for assistive technology, since the title stands beside it.
 */
export function ItemPicture({ address, category }: ItemPictureProps) {
  const [broken, setBroken] = useState<string | null>(null);
  const source = safeUrl(address);
  return (
    <div part="picture" className="rs:picture-frame">
      {source && source !== broken ? (
        <img
          part="image"
          className="rs:picture rs:motion-safe:zoom-on-hover"
          src={source}
          alt=""
          width={NOMINAL_PX}
          height={NOMINAL_PX}
          loading="lazy"
          decoding="async"
          draggable={false}
          onError={() => setBroken(source)}
        />
      ) : (
        <CategoryDrawing category={category} />
      )}
    </div>
  );
}

/** The category's initial on its own colour; `Food > Fruit` counts as `Fruit`. */
function CategoryDrawing({ category }: { category: string }) {
  const name = category.split(/[>/]/).at(-1)?.trim() ?? "";
  const [initial = ""] = name;
  const style = { "--rs-hue": hueOf(name) } as CSSProperties;
  return (
    <svg part="drawing" className="rs:picture rs:drawing" viewBox="0 0 100 100" style={style} aria-hidden="true">
      <circle cx="84" cy="88" r="42" />
      <circle cx="14" cy="10" r="20" />
      <text x="50" y="63">
        {initial.toUpperCase()}
      </text>
    </svg>
  );
}
