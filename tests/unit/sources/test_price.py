"""Prices: what the file may say, and how what it may not is refused."""

from pathlib import Path

import pytest

from modellab.errors import BadDefinition
from modellab.sources.price import FILE, Price, read_prices

FIXTURES = Path(__file__).parents[3] / "fixtures"
GOOD = """
schema = 1
[[price]]
machine = "small"
per_hour = 0.25
currency = "EUR"
source = "our own bill, 2026-11"
[[price]]
machine = "large"
per_hour = 3
currency = "USD"
cores = 16
memory_gib = 62.5
source = "our own bill, 2026-11"
"""


def read(folder: Path, text: str) -> dict[str, Price]:
    """Give the prices that a text holds."""
    path = folder / FILE
    path.write_text(text)
    return dict(read_prices(path))


def test_the_prices_of_this_repository_are_an_example() -> None:
    """The repository ships one price, which says of itself that it is an example and no offer."""
    (price,) = read_prices(FIXTURES / FILE).values()
    assert price.machine == "example: 2 shared cores"
    assert (price.per_hour, price.currency, price.cores) == (0.05, "USD", 2)
    assert "not an offer" in price.source


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A price has all that the file says of it, and what it leaves out is absent."""
    source = "our own bill, 2026-11"
    assert read(tmp_path, GOOD) == {
        "small": Price(machine="small", per_hour=0.25, currency="EUR", source=source),
        "large": Price(machine="large", per_hour=3.0, currency="USD", source=source, cores=16, memory_gib=62.5),
    }


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("per_hour = 0.25", "per_hour = 0", "price 1: per_hour must be a number more than 0, not 0"),
        ("per_hour = 0.25", "per_hour = -1.0", "price 1: per_hour must be a number, 0 or more, not -1.0"),
        ("per_hour = 0.25", "per_hour = nan", "price 1: per_hour must be a number.*not nan"),
        ("per_hour = 0.25", "per_hour = inf", "price 1: per_hour must be a number.*not inf"),
        ("per_hour = 0.25", 'per_hour = "cheap"', "price 1: per_hour must be a number"),
        ("per_hour = 0.25", "per_hour = true", "price 1: per_hour must be a number"),
        ("per_hour = 0.25\n", "", "price 1: per_hour must be a number more than 0, and it is missing"),
        ("per_hour = 0.25", "per_hours = 0.25", "price 1: unknown key 'per_hours'. Did you mean 'per_hour'"),
        ('currency = "EUR"', 'currency = "€"', "price 1: currency must be three capital letters, such as USD"),
        ('machine = "small"', 'machine = ""', "price 1: machine must be a text"),
        ('machine = "small"', 'machine = "large"', "price 2: 'large' has a price already: leave one out"),
        ("cores = 16", "cores = 0", "price 2: cores must be more than 0, or left out"),
        ("cores = 16", "cores = 1.5", "price 2: cores must be a whole number"),
        ("memory_gib = 62.5", "memory_gib = 0.0", "price 2: memory_gib must be more than 0, or left out"),
        ('source = "our own bill, 2026-11"\n[[price]]', "[[price]]", "price 1: source must be a text"),
        ("schema = 1", "schema = 2", "schema must be 1, not 2"),
        ("schema = 1", "", "schema must be 1, and it is missing"),
        ("schema = 1", "schema = 1\nrates = 2", "unknown key 'rates'"),
        ("schema = 1", "schema = ", "cannot read prices"),
    ],
)
def test_what_may_not_be_said_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """A fault is refused by file, entry and key, with what is allowed."""
    assert old in GOOD
    with pytest.raises(BadDefinition, match=f"(?s){FILE}.*{reason}" if "cannot" not in reason else reason):
        read(tmp_path, GOOD.replace(old, new, 1))


@pytest.mark.parametrize("text", ["schema = 1", "schema = 1\nprice = []", "schema = 1\nprice = [3]"])
def test_a_file_without_prices_is_refused(tmp_path: Path, text: str) -> None:
    """A file that names no price says nothing."""
    with pytest.raises(BadDefinition, match=FILE):
        read(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A file that is missing, or is not text, is refused by path."""
    with pytest.raises(BadDefinition, match=r"nowhere\.toml"):
        read_prices(tmp_path / "nowhere.toml")
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(BadDefinition, match=FILE):
        read_prices(tmp_path / FILE)
