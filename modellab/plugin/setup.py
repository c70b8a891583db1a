"""Setting a session up: read what is defined and asked for, and register what measures it."""

import os
from pathlib import Path

import pytest

from modellab.checkpoints.registry import Registry
from modellab.conditions.registry import read_conditions
from modellab.corpora.registry import read_corpora
from modellab.defaults import read_defaults
from modellab.environments.definition import read_environments
from modellab.environments.home import Homes
from modellab.errors import ModelLabError
from modellab.plugin.bench import Bench
from modellab.plugin.choice import choose, run_folder
from modellab.plugin.fixtures import fixtures_of
from modellab.plugin.keeper import Keeper
from modellab.records.store import RUNS, Store, new_run_folder
from modellab.roster import Roster
from modellab.sources.cache import CACHE_VARIABLE, cache_root
from modellab.verdicts.budget import read_budgets


def set_up(config: pytest.Config, folder: Path) -> None:
    """Register the fixtures of this process, and in the main process the keeper of the run.

    Raises:
        pytest.UsageError: when a definition or an option cannot be understood.
    """
    try:
        bench = _bench(config, folder)
    except ModelLabError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(fixtures_of(bench), "modellab-fixtures")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Keeper(config, bench), "modellab-keeper")


def _bench(config: pytest.Config, folder: Path) -> Bench:
    checkpoints = Registry.read(folder / "models.toml")
    worker = getattr(config, "workerinput", None)
    if worker:
        store, session, workers = (
            Store(Path(worker["modellab"]["run"])),
            worker["modellab"]["session"],
            worker["workercount"],
        )
    else:
        store = Store(run_folder(config) or new_run_folder(config.rootpath / RUNS))
        session = len(store.run().sessions) + 1 if store.run_path.exists() else 1
        workers = len(config.getoption("tx", None) or ()) or 1
    named = config.getoption("cache_dir") or os.environ.get(CACHE_VARIABLE)
    defaults = read_defaults(folder / "bench.toml")
    cache = cache_root(Path(named) if named else None)
    definitions = read_environments(folder / "environments.toml")
    choice = choose(config, defaults, checkpoints)
    homes = Homes(definitions=definitions, cache=cache, of_backends=defaults.environments)
    return Bench(
        choice=choice,
        roster=Roster(
            specs=choice.specs,
            checkpoints=checkpoints,
            homes=homes,
            cache=cache,
            decode=choice.decode,
            options_of=choice.options,
            own_threads=choice.threads,
            workers=workers,
        ),
        corpora=read_corpora(folder / "corpora.toml"),
        conditions=read_conditions(folder / "conditions.toml"),
        budgets=read_budgets(folder / "budgets.toml"),
        cache=cache,
        store=store,
        session=session,
    )
