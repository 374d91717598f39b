"""Readable titles, made from the abbreviations of a till."""

from __future__ import annotations

import re

ABBREVIATIONS: dict[str, str] = {
    "BATHTISSUE": "bath tissue", "BEERALEMALT": "beer, ale, malt", "BKD": "baked", "BN": "beans",
    "BREAKFST": "breakfast", "BRKFST": "breakfast", "BTL": "bottle", "BTR": "butter", "CARB": "", "CAR": "",
    "CATFD": "cat food", "CHICK": "chicken", "CHIX": "chicken", "CHOC": "chocolate", "CHOCOCLATE": "chocolate",
    "CKYS": "cookies", "CLEANG": "cleaning", "CNDY": "candy", "CONC": "concentrate", "CRKR": "crackers",
    "CRBNTD": "carbonated", "CRMD": "crumbled", "CRYSTL": "crystal", "DNR": "dinner", "DNRS": "dinners",
    "DRNK": "drink", "DRNKING": "drinking", "DRNKNG": "drinking", "DRNKS": "drinks", "DRSNG": "dressing", "EX": "",
    "EXCP": "", "FD": "food", "FEM": "feminine", "FLVRD": "flavoured", "FRZ": "frozen", "FRZN": "frozen", "FS": "",
    "GDS": "goods", "GR": "", "GRND": "ground", "HANDKE": "handkerchiefs", "HBC": "care", "HYGN": "hygiene",
    "INCL": "", "INCLUDING": "", "IQF": "frozen", "IWS": "wrapped", "JCE": "juice", "MISC": "assorted",
    "MISCELLANEOUS": "assorted", "MIXS": "mixes", "MLT": "multi", "MNERAL": "mineral", "MNRL": "mineral",
    "MX": "mix", "MXS": "mixes", "PKG": "packaged", "PKLD": "pickled", "PLSTC": "plastic", "PNT": "peanut",
    "PREM": "premium", "PREP": "prepared", "PWDR": "powder", "REFRGRATD": "chilled", "REFRIG": "chilled",
    "REFRIGERATED": "chilled", "RTS": "ready", "RW": "", "SALD": "salad", "SAUS": "sausage",
    "SAUCESSALSAPICANTEE": "sauces, salsa", "SFT": "soft", "SGL": "single", "SHERBTS": "sherbets",
    "SNDWCH": "sandwich", "SNGL": "single", "SNKS": "snacks", "SPECILATY": "speciality", "SPLY": "supply",
    "SPRD": "spread", "SRV": "serve", "SS": "single-serve", "SUP": "", "SV": "serve", "SW": "sweet",
    "SWEETNERS": "sweeteners", "TISS": "tissue", "TORT": "tortilla", "TRSH": "rubbish", "VEG": "vegetables",
    "WATE": "water", "WHL": "whole", "WHLSM": "wholesome", "WT": "weight", "WTR": "water",
}  # fmt: skip
"""Abbreviations of this grocer's till; those that mean nothing to a customer become empty."""

UNITS: dict[str, str] = {
    "OZ": "oz",
    "LB": "lb",
    "LT": "l",
    "L": "l",
    "ML": "ml",
    "GA": "gal",
    "CT": "pieces",
    "PK": "pack",
}

VAGUE = frozenset((
    "BETTER FOR YOU", "BLENDS", "CHOICE", "DRY", "ECONOMY", "ENHANCED", "ENTREES", "GARDEN PLUS", "GREEN", "LEAN",
    "MAINSTREAM", "MISCELLANEOUS", "OTHER", "PREMIUM", "PREMIUM PINTS", "PRIMAL", "REGULAR", "REGULAR GARDEN",
    "SMOKED/COOKED", "STICKS/ENROBED", "SUPER PREMIUM PINTS", "TRADITIONAL", "WHITE",
))  # fmt: skip
"""Product types that are meaningful only together with their category."""

_REMARK = re.compile(r"\([^)]*\)?")
_WORD = re.compile(r"([A-Z']+)\.?")


def readable(text: str) -> str:
    """`SFT DRNK 2 LITER BTL CARB INCL` becomes `Soft drink 2 liter bottle`."""
    words = _WORD.sub(lambda match: ABBREVIATIONS.get(match[1], match[1].lower()), _REMARK.sub(" ", text))
    words = re.sub(r"\s*/\s*", "/", words).replace("&", " & ")
    words = re.sub(r"\s+", " ", words).strip(" -/:&,")
    words = re.sub(r"\s*[-:]\s+", ", ", words)
    return words[:1].upper() + words[1:]


def pack(size: str) -> str:
    """`14.5 OZ` becomes `14.5 oz`; a wrong size, such as `912386  PK`, becomes empty."""
    match = re.fullmatch(r"(\d{1,4}(?:\.\d+)?) +([A-Z]+)", size.strip())
    if match is None or match[2] not in UNITS:
        return ""
    return f"{match[1]} {UNITS[match[2]]}"


def title(product_type: str, category: str, package_size: str) -> str:
    name = readable(product_type)
    if product_type in VAGUE:
        name = f"{readable(category)}, {name.lower()}"
    size = pack(package_size)
    return f"{name}, {size}" if size else name
