"""Resource quantities: `100m`, `1Gi`, `2e3`.

The grammar and the rounding (away from zero, to a thousand-millionth at the smallest) are those of
k8s.io/apimachinery/pkg/api/resource.
"""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext
from functools import lru_cache

_GRAMMAR = re.compile(r"^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE]|)$")
_BINARY = {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = Decimal("1e-9")
# Room for every quantity that we take to be held exactly, however it is turned.
_EXACT = Context(prec=120)
_MOST_DIGITS = 40


@lru_cache(maxsize=4096)
def parse(text: str | int | float) -> Decimal:
    """The exact value of a quantity. Raises ValueError with upstream's words."""
    match = _GRAMMAR.match(str(text).strip() if not isinstance(text, str) else text)
    if match is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    if len(match[1]) > _MOST_DIGITS:
        raise ValueError("unable to parse numeric part of quantity")
    number, suffix = Decimal(match[1]), match[2]
    with localcontext(_EXACT):
        if suffix in _BINARY:
            value = number * _BINARY[suffix]
        elif suffix in _DECIMAL:
            value = number.scaleb(_DECIMAL[suffix])
        elif len(suffix) > 4 or abs(int(suffix[1:])) > _MOST_DIGITS:
            raise ValueError("unable to parse quantity's suffix")
        else:
            value = number.scaleb(int(suffix[1:]))
        return value.quantize(_NANO, rounding=ROUND_CEILING if value > 0 else ROUND_FLOOR) if value % _NANO else value


def value(text: str | int | float) -> int:
    """The quantity as whole units, rounded up: bytes for memory, cores for cpu."""
    return int(parse(text).to_integral_value(rounding=ROUND_CEILING))


def milli(text: str | int | float) -> int:
    """The quantity in thousandths, rounded up: millicores for cpu."""
    return int((parse(text) * 1000).to_integral_value(rounding=ROUND_CEILING))


@lru_cache(maxsize=4096)
def canonical(text: str | int | float) -> str:
    """The one way in which the API prints this quantity: same family of suffix, no fraction, largest suffix."""
    source = str(text)
    amount = parse(text)
    with localcontext(_EXACT):
        return _printed(source, amount)


def _printed(source: str, amount: Decimal) -> str:
    match = _GRAMMAR.match(source)
    suffix = match[2] if match else ""
    if amount == 0:
        return "0"
    if suffix in _BINARY:
        printed = _with_binary_suffix(amount)
        if printed is not None:
            return printed
    if suffix[:1] in ("e", "E") and suffix not in _DECIMAL:
        return _with_exponent(amount)
    return _with_decimal_suffix(amount)


def format_bytes(amount: int) -> str:
    """Bytes as a binary quantity, as nodes report memory: exact, with the largest suffix that leaves no fraction."""
    return _with_binary_suffix(Decimal(amount)) or str(amount)


def _with_binary_suffix(amount: Decimal) -> str | None:
    if amount % 1 or abs(amount) < 1024:
        return None if amount % 1 else str(int(amount))
    for suffix, factor in reversed(_BINARY.items()):
        if amount % factor == 0:
            return f"{int(amount / factor)}{suffix}"
    return str(int(amount))


def _with_decimal_suffix(amount: Decimal) -> str:
    for suffix, power in reversed(_DECIMAL.items()):
        scaled = amount.scaleb(-power)
        if scaled % 1 == 0:
            return f"{int(scaled)}{suffix}"
    return f"{int(amount.scaleb(9))}n"


def _with_exponent(amount: Decimal) -> str:
    for power in range(39, -10, -3):
        scaled = amount.scaleb(-power)
        if scaled % 1 == 0:
            return f"{int(scaled)}e{power}" if power else str(int(scaled))
    return f"{int(amount.scaleb(9))}e-9"
