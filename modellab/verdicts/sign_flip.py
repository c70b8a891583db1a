"""Sign flip: how a sum would stand among the sums that the same values have under any other signs."""

import numpy as np

DRAWS = 20_000
_COUNTED_UP_TO = 30
_CELLS_AT_ONCE = 4_000_000
_ROUNDING = 1e-9


def sign_flip(values: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> float:
    """Give how likely a sum so great or greater is when each value might as well have had the other sign.

    No shape of noise is assumed but that the two arms could be exchanged. Up to 30 values all signs are counted: those
    of either half are summed, and the pairs of halves whose sums suffice are looked up. Beyond that, `draws` of signs
    stand for all of them and the one that was seen is counted among them, so that 0 is never given.

    Source: Fisher 1935, "The Design of Experiments", section 21; Phipson and Smyth 2010 for the one that is counted.
    """
    moved = np.asarray(values, dtype=np.float64)
    moved = moved[moved != 0]
    least = moved.sum() - _ROUNDING * np.abs(moved).sum()
    if len(moved) > _COUNTED_UP_TO:
        return _drawn(moved, least, draws, np.random.default_rng(seed))
    half = len(moved) // 2
    some, others = _all_sums(moved[:half]), np.sort(_all_sums(moved[half:]))
    enough = len(others) - np.searchsorted(others, least - some)
    return float(enough.sum() / 2.0 ** len(moved))


def _all_sums(values: np.ndarray) -> np.ndarray:
    """Give the sums under all signs, of shape (2 ** len(values),)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate((sums - value, sums + value))
    return sums


def _drawn(values: np.ndarray, least: float, draws: int, random: np.random.Generator) -> float:
    at_once, reached = max(1, _CELLS_AT_ONCE // len(values)), 0
    for start in range(0, draws, at_once):
        flipped = random.random((min(at_once, draws - start), len(values)), dtype=np.float32) < 0.5  # noqa: PLR2004
        reached += int((values.sum() - 2 * (flipped @ values) >= least).sum())
    return (reached + 1) / (draws + 1)
