"""The front of points that no other beats."""

from hypothesis import given
from hypothesis import strategies as st

from modellab.reporting.pareto import front

# Few values, so that ties are common.
FIGURE = st.none() | st.integers(0, 6).map(float)
POINTS = st.lists(st.tuples(FIGURE, FIGURE), max_size=12)


def beats(one, other) -> bool:
    """Whether one point is as good on both axes and better on one."""
    return one[0] <= other[0] and one[1] <= other[1] and one != other


@given(POINTS)
def test_none_on_the_front_is_beaten_and_all_others_are(points) -> None:
    """No point of the front is beaten by any, every other is, and what lacks a figure is no point."""
    known = [place for place, point in enumerate(points) if None not in point]
    found = front(points)
    assert set(found) == {p for p in known if not any(beats(points[other], points[p]) for other in known)}
    assert len(set(found)) == len(found)


@given(POINTS)
def test_it_rises_and_falls(points) -> None:
    """By rising x the front never rises in y, and equal points follow each other."""
    stairs = [points[place] for place in front(points)]
    assert [x for x, _ in stairs] == sorted(x for x, _ in stairs)
    assert [y for _, y in stairs] == sorted((y for _, y in stairs), reverse=True)


def test_equal_points_share_the_front() -> None:
    """Two models with the same two figures are both on it, and one that ties on one axis alone is not."""
    assert front([(1, 2), (1, 2), (1, 3), (2, 2), (None, 0), (0, None)]) == (0, 1)
    assert front([]) == ()
