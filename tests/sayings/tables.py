from math import log10

from sweep.schemas.columns import ROUNDING


def constants():
    exponent = f"{log10(ROUNDING):.0f}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    yield f"Ranges hold up to rounding, {10}{exponent}"
