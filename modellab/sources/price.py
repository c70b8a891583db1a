"""Price: what an hour of a machine costs, as a definition file says."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modellab.errors import BadDefinition
from modellab.sources.table import Table

FILE = "prices.toml"
_KEYS = ("machine", "per_hour", "currency", "cores", "memory_gib", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an hour of a machine costs.

    Attributes:
        machine: its name in the file.
        per_hour: in units of the currency, more than 0.
        currency: three letters of ISO 4217.
        cores: of the machine; None where the file does not say.
        memory_gib: of the machine; None where the file does not say.
        source: who says so, and when.
    """

    machine: str
    per_hour: float
    currency: str
    source: str
    cores: int | None = None
    memory_gib: float | None = None


def read_prices(path: Path) -> Mapping[str, Price]:
    """Give the prices of a TOML file by the machine's name.

    Raises:
        BadDefinition: naming the file, the key and what is allowed.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadDefinition(f"cannot read prices from {path}: {error}") from error
    table = Table.read(document, str(path), ("schema", "price"))
    if document.get("schema") != 1:
        raise table.refusal("schema", "1")
    prices: dict[str, Price] = {}
    for number, item in enumerate(table.items("price"), start=1):
        entry = Table.read(item, f"{path}, price {number}", _KEYS)
        price = _price(entry)
        if price.machine in prices:
            raise BadDefinition(f"{entry.where}: {price.machine!r} has a price already: leave one out, or rename it")
        prices[price.machine] = price
    return prices


def _price(entry: Table) -> Price:
    currency = entry.text("currency")
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise entry.refusal("currency", "three capital letters, such as USD")
    per_hour = entry.optional_number("per_hour")
    if not per_hour:
        raise entry.refusal("per_hour", "a number more than 0")
    for key in ("cores", "memory_gib"):
        if entry.values.get(key) == 0:
            raise entry.refusal(key, "more than 0, or left out")
    return Price(
        machine=entry.text("machine"),
        per_hour=per_hour,
        currency=currency,
        source=entry.text("source"),
        cores=entry.optional_count("cores"),
        memory_gib=entry.optional_number("memory_gib"),
    )
