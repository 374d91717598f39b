"""Flat pictures of the products, drawn from the catalogue.

The category gives the shape and its colours; the item id gives the shade, the label and the number of pieces. An item
always looks the same.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree

from infra.demo.shop import Item

_KINDS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    (r"pizza", "pizza", (6, 14)),
    (r"\bbaby|infant|diaper", "baby", (200, 340, 160)),
    (r"dog foods?|cat food|cat litter|pet care|bird|dry bean", "bag", (28, 350, 210, 130)),
    (r"wine|liquor", "wine", (345, 355, 52, 330)),
    (r"beer|ale", "bottle", (32, 40, 26, 130)),
    (r"banana|tropical", "banana", (48, 52, 56)),
    (r"apple|pear|stone fruit|peach|melon", "apple", (356, 92, 22, 6)),
    (r"citrus|orange|lemon", "citrus", (30, 50, 84, 14)),
    (r"berr|grape|dried fruit|frozen fruit", "cluster", (345, 270, 235, 320)),
    (r"carrot", "carrot", (24, 28)),
    (r"mushroom", "mushroom", (24, 30, 350)),
    (r"pepper(?!oni)|squash", "pepper", (4, 100, 48, 28)),
    (r"\bpotato(?!.*chip)", "potato", (34, 30, 38)),
    (r"onion|tomato", "tomato", (8, 4, 20, 325)),
    (r"salad bar|sushi|dips|prepared food|salads", "bowl", (200, 16, 260, 170)),
    (r"dressing|spread|hispanic", "jar", (36, 6, 95, 50, 330)),
    (
        r"salad mix|\bherb|broccoli|vegetables salad|vegetables, all|organics|added veg",
        "leaf",
        (105, 90, 125, 75),
    ),
    (r"cheese", "cheese", (44, 38, 30, 50)),
    (r"\begg", "eggs", (205, 150, 28, 265)),
    (r"ice cream|novelties|frozen ice", "icecream", (340, 25, 160, 290)),
    (r"coffee|\btea|cocoa", "cup", (18, 200, 355, 150, 265)),
    (r"milk by|yogurt|margarine|butter(?!.*jell)|sour|refrigerated|dairy", "tub", (205, 340, 50, 265, 160)),
    (r"milk|juice|non, dairy", "carton", (208, 28, 120, 350)),
    (r"bread|roll|bun|loaf|bagel", "loaf", (30, 26, 34)),
    (r"cake|breakfast sweet|pie|dessert|sweet goods", "cake", (340, 280, 25, 190)),
    (r"cookie|cracker", "cookie", (30, 24, 36)),
    (r"candy|gum", "candy", (350, 280, 190, 40, 130)),
    (r"chicken|turkey|poultry|fowl", "drumstick", (24, 30, 18)),
    (r"sausage|hot dog", "sausage", (8, 14, 2)),
    (r"seafood|fish|shrimp|tuna", "fish", (200, 215, 10, 185)),
    (r"beef|pork|lamb|veal|bacon|meat|ham\b", "steak", (354, 2, 10)),
    (r"sandwich|quick service", "sandwich", (8, 18, 350)),
    (r"pasta(?! sauce)|noodle", "pasta", (46, 40, 210)),
    (r"soft drink|isotonic|drink|beverage", "can", (356, 210, 130, 28, 275)),
    (r"water|oil|syrup|vinegar", "bottle", (200, 80, 40, 175, 355)),
    (r"soup|bean|canned|shelf stable|vegetable|fruit|corn", "can", (8, 110, 40, 355, 150)),
    (r"sauce|condiment|jell|jam|pickle|olive|spice|honey", "jar", (6, 36, 95, 330, 50)),
    (r"tissue|towel|paper", "roll", (200, 265, 150, 340)),
    (r"detergent|bleach|dishwash|laundry|clean|\bair care|insect", "spray", (205, 150, 48, 280, 14)),
    (r"soap|hair|bath|lotion|skin|hand|deodorant|fragrance|makeup|suntan", "pump", (170, 325, 265, 200, 30)),
    (r"oral|tooth|shav|cosmetic", "tube", (205, 350, 160)),
    (r"vitamin|cold and flu|analges|antacid|allerg|aid|laxat|diet|eye and|foot", "pills", (28, 205, 130, 350)),
    (r"floral|rose|flower|bouquet|garden|lil", "flower", (345, 50, 280, 20, 325)),
    (r"magazine|newspaper|card|book|stationery", "card", (205, 350, 150, 40)),
    (r"snack|chip|popcorn|nut|sugar|flour|rice|frozen", "bag", (48, 10, 205, 130, 285)),
    (r"cereal|breakfast|bak|mix|dinner|food|dough", "box", (40, 205, 355, 130, 270)),
)
"""(pattern, shape, hues in degrees). The first pattern that matches a category gives its shape and hues."""

_PACKS = ((r"shredded|grated", "bag"), (r"cream cheese|cottage|spread", "tub"), (r"liquid|syrup", "bottle"))
"""Shapes of packs by words in the title, which count more than the category."""

_OTHER = ("gift", (205, 270, 150, 350, 30))

_GROUPS = (
    '<use href="#one" x="60" y="60"/>',
    '<g transform="scale(.9)"><use href="#one" x="125" y="69"/><use href="#one" x="20" y="91"/></g>',
    '<g transform="scale(.8)"><use href="#one" x="24" y="93"/><use href="#one" x="176" y="93"/></g>'
    '<use href="#one" transform="translate(72 82) scale(.88)"/>',
)
_BROAD = frozenset(("bowl", "candy", "card", "eggs", "fish", "gift", "roll", "sandwich", "wine"))
"""Broad shapes, of which a picture shows only one piece."""

_MOTIFS = 8
_PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="320" height="320" viewBox="0 0 320 320"><style>
:root {{ {colours}; --wall: hsl({hue} 42% 92%); --sun: hsl({hue} 48% 86%); --ground: hsl({hue} 30% 74%) }}
@media (prefers-color-scheme: dark) {{
:root {{ --wall: hsl({hue} 20% 24%); --sun: hsl({hue} 22% 31%); --ground: hsl({hue} 24% 17%) }}
}}</style><defs><symbol id="label" viewBox="0 0 60 60" preserveAspectRatio="xMidYMid slice">
<rect width="60" height="60" fill="var(--paper)"/>{motif}</symbol><g id="one">{shape}</g></defs>
<rect width="320" height="320" fill="var(--wall)"/><circle cx="{x}" cy="150" r="124" fill="var(--sun)"/>
<ellipse cx="160" cy="254" rx="124" ry="14" fill="var(--ground)"/>
<g transform="translate(160 254) scale(1.28) translate(-160 -232)">{group}</g></svg>"""


@cache
def _drawings() -> dict[str, str]:
    """The symbols of drawings.svg by their id."""
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    root = ElementTree.parse(Path(__file__).with_name("drawings.svg")).getroot()
    return {symbol.get("id", ""): "".join(ElementTree.tostring(part, "unicode") for part in symbol) for symbol in root}


def picture(item: Item) -> str:
    """Returns the picture as an SVG document of 320 by 320."""
    shape, hues = _kind(item)
    dice = sha256(item.item_id.encode()).digest()
    return _PICTURE.format(
        shape=_drawings()[shape],
        motif=_drawings()[f"motif-{dice[8] % _MOTIFS}"],
        group=_GROUPS[0 if shape in _BROAD else dice[1] % len(_GROUPS)],
        colours=_colours(hues[dice[0] % len(hues)], dice),
        hue=hues[(dice[0] + 1) % len(hues)],
        x=110 + dice[2] % 100,
    )


def _kind(item: Item) -> tuple[str, tuple[int, ...]]:
    """An item's shape, and the hues of its kind in degrees."""
    category, title = item.category.lower(), item.title.lower()
    kinds = ((shape, hues) for pattern, shape, hues in _KINDS if re.search(pattern, category))
    shape, hues = next(kinds, _OTHER)
    return next((pack for pattern, pack in _PACKS if re.search(pattern, title)), shape), hues


def _colours(hue: int, dice: bytes) -> str:
    hue += dice[3] % 13 - 6
    other = (hue, hue + 150, hue + 190, hue + 40)[dice[4] % 4]
    return (
        f"--body: hsl({hue} {58 + dice[5] % 14}% {54 + dice[6] % 8}%); --dark: hsl({hue} 46% {28 + dice[7] % 8}%); "
        f"--light: hsl({hue} 72% 82%); --accent: hsl({other} 62% 50%); --paper: #fffdf7"
    )
