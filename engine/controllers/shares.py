"""Numbers of pods given as such or as a percentage."""


def scaled(value: int | str, total: int, *, round_up: bool) -> int:
    """An absolute number, or a percentage of `total`."""
    if isinstance(value, int):
        return value
    product = int(value.removesuffix("%")) * total
    return -(-product // 100) if round_up else product // 100
