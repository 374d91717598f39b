import type { components } from "../../src/api/schema";

type Item = components["schemas"]["Item"];

interface Goods {
  title: string;
  category: string;
  brand: string;
  price: number;
  shape: string;
}

/** A grocer's shelf: title | category | brand | price | shape of the picture. */
const SHELF = `
Organic whole milk 3.8 % | Dairy | Alpine Meadow | 1.39 | carton
Sourdough bread, stone-baked | Bakery | Mill & Oven | 3.45 | loaf
Extra virgin olive oil, cold-pressed, 750 ml | Pantry | Oliveto | 11.9 | bottle
Vine tomatoes | Fruit & vegetables |  | 2.99 | round
Strawberry jam with whole fruit | Breakfast | Grandma's Garden | 3.29 | jar
Mountain cheese, aged nine months | Dairy | Alpine Meadow | 5.79 | wedge
Espresso beans, dark roast, 1 kg | Coffee & tea | Torrefazione | 14.5 | bag
Sparkling mineral water | Drinks | Felsquell | 0.79 | bottle
Lemons from Sicily, untreated | Fruit & vegetables |  | 1.99 | round
Peeled plum tomatoes in their own juice | Pantry | Oliveto | 1.19 | can
Honey from the Black Forest | Breakfast | Imker Vogt | 6.95 | jar
Spaghetti No. 5 | Pantry | Pastificio | 1.89 | bag
Rye crispbread with sesame | Bakery | Nordlys | 2.15 | loaf
Apple juice, cloudy, pressed from orchard fruit | Drinks | Streuobst | 2.49 | carton
Avocado, ready to eat | Fruit & vegetables |  | 1.49 | round
Dark chocolate 70 % | Sweets | Cacaoterie | 2.79 | bag
`;

const GOODS: Goods[] = SHELF.trim()
  .split("\n")
  .map((line) => line.split("|").map((field) => field.trim()))
  .map(([title = "", category = "", brand = "", price = "", shape = ""]) => ({
    title,
    category,
    brand,
    price: Number(price),
    shape,
  }));

const REASONS: Item["reason"][] = [
  { code: "because_you_bought", item_id: "i5", title: "Mountain cheese, aged nine months" },
  { code: "popular" },
  { code: "similar_to", item_id: "i2", title: "Extra virgin olive oil" },
  { code: "popular_in_category" },
  { code: "in_your_basket", item_id: "i1", title: "Sourdough bread" },
  { code: "new" },
];

const RUNGS: Item["rung"][] = ["personal", "popular", "related", "popular_in_category", "session", "newest"];

/** `count` items as the service answers them, their pictures on the shop's own host. */
export function items(count: number, shop: string): Item[] {
  return Array.from({ length: count }, (_, index) => {
    const { title, category, brand, price } = cycle(GOODS, index);
    return {
      item_id: `i${index}`,
      title,
      category,
      brand,
      price,
      currency: "EUR",
      img_url: `${shop}/pictures/${index}.svg`,
      url: `/products/${index}`,
      rank: index + 1,
      rung: cycle(RUNGS, index),
      reason: cycle(REASONS, index),
    };
  });
}

function cycle<T>(list: readonly T[], index: number): T {
  const [entry] = list.slice(index % list.length);
  if (entry === undefined) throw new Error("the list is empty");
  return entry;
}

const HUES = [210, 45, 85, 20, 350, 55, 30, 195, 60, 12, 48, 40, 35, 95, 120, 300];

const SHAPES: Readonly<Record<string, string>> = {
  carton: '<path d="M62 60l38-24 38 24v104H62z"/><path class="b" d="M62 60h76l-38-24z"/><rect class="c" x="74" y="84" width="52" height="44" rx="6"/>',
  loaf: '<path d="M40 130c-8-44 24-66 60-66s68 22 60 66c-1 8-6 14-14 14H54c-8 0-13-6-14-14z"/><path class="b" d="M78 76l8 26M100 72v28M122 76l-8 26"/>',
  bottle: '<path d="M88 30h24v34c0 12 18 16 18 38v52c0 8-5 14-13 14H83c-8 0-13-6-13-14v-52c0-22 18-26 18-38z"/><rect class="b" x="86" y="26" width="28" height="14" rx="4"/><rect class="c" x="70" y="108" width="60" height="36"/>',
  round: '<circle cx="92" cy="112" r="46"/><circle class="b" cx="128" cy="122" r="34"/><path class="c" d="M92 70c4-16 16-24 30-26-2 16-12 26-30 26z"/>',
  jar: '<rect x="62" y="66" width="76" height="98" rx="16"/><rect class="b" x="66" y="46" width="68" height="20" rx="6"/><rect class="c" x="62" y="94" width="76" height="40"/>',
  wedge: '<path d="M36 136l104-66c16 8 26 30 26 66z"/><circle class="c" cx="112" cy="116" r="10"/><circle class="c" cx="142" cy="104" r="7"/><circle class="c" cx="82" cy="124" r="6"/>',
  bag: '<path d="M58 46h84l8 118H50z"/><path class="b" d="M58 46h84l2 20H56z"/><rect class="c" x="74" y="88" width="52" height="48" rx="24"/>',
  can: '<rect x="60" y="52" width="80" height="108" rx="10"/><rect class="b" x="60" y="52" width="80" height="14" rx="7"/><rect class="c" x="60" y="84" width="80" height="48"/>',
};

/** A flat drawing of an item, as an SVG document. */
export function picture(index: number): string {
  const { shape } = cycle(GOODS, index);
  const hue = cycle(HUES, index);
  const style = `svg{background:hsl(${hue} 45% 93%)}*{fill:hsl(${hue} 55% 58%)}.b{fill:hsl(${hue} 50% 42%);stroke:hsl(${hue} 50% 42%);stroke-width:4;stroke-linecap:round}.c{fill:hsl(${hue} 60% 88%)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="400" height="400"><style>${style}</style>${SHAPES[shape]}</svg>`;
}
