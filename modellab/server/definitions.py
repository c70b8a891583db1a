"""Definitions: which checkpoints, corpora and environments a server knows, and what its bench does by default."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from modellab.checkpoints.registry import Registry
from modellab.conditions.registry import ConditionRegistry, read_conditions
from modellab.corpora.registry import CorpusRegistry, read_corpora
from modellab.defaults import Defaults, read_defaults
from modellab.environments.definition import read_environments
from modellab.environments.home import Homes


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """What the files of a folder define. They are read once: a server that shall know more is started anew.

    Attributes:
        checkpoints: of models.toml.
        corpora: of corpora.toml.
        conditions: of conditions.toml.
        defaults: of bench.toml.
        homes: the environments of environments.toml.
        cache: the root of the cache, where weights and corpora are.
    """

    checkpoints: Registry
    corpora: CorpusRegistry
    conditions: ConditionRegistry
    defaults: Defaults
    homes: Homes
    cache: Path

    @classmethod
    def read(cls, folder: Path, cache: Path) -> Self:
        """Read them.

        Raises:
            BadDefinition: naming the file, the key and what is allowed.
        """
        defaults = read_defaults(folder / "bench.toml")
        environments = read_environments(folder / "environments.toml")
        return cls(
            checkpoints=Registry.read(folder / "models.toml"),
            corpora=read_corpora(folder / "corpora.toml"),
            conditions=read_conditions(folder / "conditions.toml"),
            defaults=defaults,
            homes=Homes(definitions=environments, cache=cache, of_backends=defaults.environments),
            cache=cache,
        )
