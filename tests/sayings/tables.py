from math import log10

from sweep.schemas.columns import ROUNDING


def constants():
    assert log10(ROUNDING) == -9
    yield "Ranges hold up to rounding, 10⁻⁹"
