"""How hard a key was struck, to how loud it is meant: keyboards and hands differ."""

# Exponents: with the light touch, soft strokes count for more; with the heavy one, for less.
_EXPONENTS = {'normal': 1.0, 'light': 0.6, 'heavy': 1.7}
CURVES = (*_EXPONENTS, 'fixed')
_FIXED = 80  # for keyboards that feel no velocity
_LOUDEST = 127


def velocity_curve(name: str) -> tuple[int, ...]:
    """
    Return the velocity that stands for each of 0 to 127, by a name out of CURVES.

    0, the end of a note, stays 0; no note is lost; the louder never becomes the softer.
    """
    if name == 'fixed':
        return (0, *[_FIXED] * _LOUDEST)
    exponent = _EXPONENTS[name]
    steps = _LOUDEST - 1
    return (0, *(1 + round(steps * (step / steps) ** exponent) for step in range(_LOUDEST)))
