"""Names of variants in words, as figures have them."""

from __future__ import annotations

_MAPS = {
    "gaussian": "Gaussian",
    "uniform": "uniform",
    "student_t": "Student-t",
    "chebyshev": "Chebyshev map",
    "gauss": "Gauss map",
    "henon": "Hénon map",
}
_PARTS = {
    "independent": "independent draws",
    "shuffled": "shuffled",
    "step": "step lengths",
    "both": "lengths and directions",
}


def in_words(variant: str, reference: str | None = None) -> str:
    """The name of a variant in words, or of its difference to the same one in another order.

    Example:
        >>> in_words("henon step independent")
        'Hénon map, step lengths, independent draws'
        >>> in_words("henon step", "henon step independent")
        'Hénon map, step lengths: orbit − independent draws'
    """
    first, *rest = variant.split(" ")
    words = ", ".join([_MAPS.get(first, f"{first} map"), *(_PARTS[part] for part in rest)])
    if reference is None:
        return words
    if not reference.startswith(f"{variant} "):
        return f"{words} − {in_words(reference)}"
    return f"{words}: orbit − {_PARTS[reference.removeprefix(f'{variant} ')]}"
