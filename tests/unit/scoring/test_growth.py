"""Growth: sizes that grow for good are told from those that fill up, step, swing or stand still."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import theilslopes

from modellab.scoring.growth import FEWEST_TURNS, Slope, leaks

MEGABYTE = 1_000_000
BASE = 300 * MEGABYTE


def sizes(values: np.ndarray) -> list[int]:
    """Give whole sizes in bytes above that of a loaded model."""
    return [BASE + round(float(value)) for value in values]


def test_a_straight_line_has_its_slope() -> None:
    """Of sizes on a line, the slope and all its bounds are the line's; the first fifth is left out."""
    slope = Slope.of(sizes(np.arange(50) * 250_000.0))
    assert slope is not None
    figures = (slope.bytes_per_turn, slope.low_bytes, slope.high_bytes, slope.late_low_bytes)
    assert figures == pytest.approx((250_000.0,) * 4)
    assert (slope.turns, slope.level) == (40, 0.99)


def test_a_worked_example() -> None:
    """The slope is the median of those between any two sizes that are kept; the first fifth does not count."""
    warm_up = [9 * MEGABYTE] * 3
    kept = [0, 1, 4, 2, 4, 5, 6, 9, 8, 9, 10, 12]
    between = sorted((b - a) / (j - i) for i, a in enumerate(kept) for j, b in enumerate(kept) if i < j)
    slope = Slope.of([*warm_up, *kept])
    assert slope is not None
    assert slope.bytes_per_turn == pytest.approx((between[32] + between[33]) / 2)
    assert slope.low_bytes in between
    assert slope.low_bytes < slope.bytes_per_turn < slope.high_bytes


def test_the_bounds_are_sens() -> None:
    """The bounds are those of Theil and Sen at the level that is asked for, over all turns and the later half."""
    found = sizes(np.random.default_rng(3).normal(0, MEGABYTE, 100) + np.arange(100) * 50_000)
    for level in (0.9, 0.99):
        slope = Slope.of(found, level)
        middle, _, low, high = theilslopes(np.array(found[20:], float), alpha=level)
        assert slope is not None
        assert (slope.bytes_per_turn, slope.low_bytes, slope.high_bytes) == pytest.approx((middle, low, high))
        assert slope.late_low_bytes == pytest.approx(theilslopes(np.array(found[60:], float), alpha=level)[2])


@pytest.mark.parametrize("turns", [0, 1, FEWEST_TURNS - 1])
def test_few_turns_say_nothing(turns: int) -> None:
    """Fewer than 15 sizes are neither a leak nor none, however steep they are."""
    found = sizes(np.arange(turns) * 50.0 * MEGABYTE)
    assert (Slope.of(found), leaks(found)) == (None, None)
    assert leaks(sizes(np.arange(FEWEST_TURNS) * 50.0 * MEGABYTE)) is True


@given(st.integers(FEWEST_TURNS, 250), st.integers(0, 1 << 40))
def test_what_stands_still_never_leaks(turns: int, size: int) -> None:
    """Equal sizes have no slope and never leak, however large they are and however many."""
    slope = Slope.of([size] * turns)
    assert slope is not None
    assert (slope.bytes_per_turn, slope.low_bytes, slope.high_bytes, slope.leaks(0)) == (0, 0, 0, False)


@settings(max_examples=200)
@given(
    turns=st.integers(FEWEST_TURNS, 250),
    height=st.integers(0, 1 << 31),
    share=st.floats(0.001, 0.5),
    steps=st.integers(1, 20),
)
def test_what_fills_up_never_leaks(turns: int, height: int, share: float, steps: int) -> None:
    """Sizes that rise, smoothly or in steps, until half of the turns are over and stay there never leak."""
    rising = np.minimum(np.arange(turns) / (share * turns), 1)
    assert leaks(sizes(height * rising)) is False
    assert leaks(sizes(height * np.floor(rising * steps) / steps)) is False


@given(turns=st.integers(FEWEST_TURNS, 250), at=st.floats(0, 1), height=st.integers(0, 1 << 32))
def test_a_single_step_never_leaks(turns: int, at: float, height: int) -> None:
    """An allocator that takes a large piece once, at whatever turn, does not leak."""
    assert leaks(sizes(height * (np.arange(turns) >= at * turns))) is False


@given(turns=st.integers(FEWEST_TURNS, 250), fall=st.integers(0, 1_000_000))
def test_what_falls_never_leaks(turns: int, fall: int) -> None:
    """A process that gives memory back does not leak."""
    assert leaks([BASE + 250 * MEGABYTE - fall * turn for turn in range(turns)]) is False


@pytest.mark.parametrize("seed", range(20))
def test_a_leak_of_a_megabyte_is_found_within_100_turns(seed: int) -> None:
    """1 MB a turn is found in 100 turns below the swings of utterances, of 20 MB, and an allocator's noise."""
    chance = np.random.default_rng(seed)
    turns = np.arange(100)
    swing = np.resize(chance.uniform(0, 20 * MEGABYTE, 13), 100)
    noise = chance.normal(0, MEGABYTE, 100)
    warm_up = 60 * MEGABYTE * (1 - np.exp(-turns / 5))
    assert leaks(sizes(turns * MEGABYTE + swing + noise + warm_up)) is True
    assert leaks(sizes(swing + noise + warm_up)) is False


def test_a_leak_in_steps_is_found() -> None:
    """A leak of 1 MB a turn that an allocator takes from the system in pieces of 8 MiB is found all the same."""
    piece = 8 << 20
    assert leaks(sizes(np.floor(np.arange(100) * MEGABYTE / piece) * piece)) is True


def test_noise_alone_rarely_leaks() -> None:
    """Of 500 series of noise alone, none leaks, at any size of noise that real runtimes show."""
    chance = np.random.default_rng(7)
    noise = [chance.normal(0, scale, 200) for scale in (1e4, 1e6, 2e7) for _ in range(170)]
    assert sum(bool(leaks(sizes(each))) for each in noise) == 0


def test_the_smallest_leak_is_the_callers() -> None:
    """What is kept a turn is a leak only above the smallest that is asked about."""
    found = sizes(np.arange(60) * 50_000.0)
    assert [leaks(found), leaks(found, 49_000), leaks(found, 51_000)] == [False, True, False]


def test_one_outlier_bends_nothing() -> None:
    """A single size that is far off, at the end or elsewhere, changes no verdict."""
    for at in (30, 99):
        found = sizes(np.zeros(100))
        found[at] += 10_000 * MEGABYTE
        assert leaks(found) is False
        growing = sizes(np.arange(100) * float(MEGABYTE))
        growing[at] = 0
        assert leaks(growing) is True
    assert math.isfinite(Slope.of(growing).bytes_per_turn)
