"""Amounts as cells: sorted by what they are, shown in the unit that reads best. Pure."""

from apimachinery.objects import quantity

_SIZES = ("", "Ki", "Mi", "Gi", "Ti", "Pi")


class Amount(float):
    """A number whose text is another: 0.25 cores are shown as `250m`."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, value: float, text: str) -> "Amount":
        made = super().__new__(cls, value)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text


def cores(milli: int) -> Amount:
    """Processor time, from thousandths of a core: `7m`, `250m`, `12.5` from ten cores on."""
    return Amount(milli, f"{milli}m" if milli < 10_000 else f"{milli / 1000:.1f}")


def memory(size: int) -> Amount:
    """Bytes as `kubectl top` shows them, in Mi; from ten Gi on in Gi."""
    mega = size / 2**20
    return Amount(size, f"{mega:.0f}Mi" if mega < 10_240 else f"{mega / 1024:.1f}Gi")


def size(amount: float) -> Amount:
    """Bytes in the largest unit that leaves a number of at least one: `3.4Ki`."""
    value, unit = float(amount), 0
    while value >= 1024 and unit < len(_SIZES) - 1:
        value /= 1024
        unit += 1
    text = f"{value:.0f}" if unit == 0 or value >= 100 else f"{value:.1f}"
    return Amount(amount, f"{text}{_SIZES[unit]}B")


def percent(part: float, whole: float) -> Amount | None:
    """None when there is no whole to be a part of."""
    if whole <= 0:
        return None
    share = 100 * part / whole
    return Amount(share, f"{share:.0f}%")


def milli_of(text: str | int | float | None) -> int:
    """Thousandths of a core in a quantity; 0 for none or one that cannot be read."""
    try:
        return quantity.milli(text) if text is not None else 0
    except ValueError:
        return 0


def bytes_of(text: str | int | float | None) -> int:
    """Whole units of a quantity; 0 for none or one that cannot be read."""
    try:
        return quantity.value(text) if text is not None else 0
    except ValueError:
        return 0
