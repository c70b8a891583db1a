"""Facts: what a run's file says of a bench's models, corpora and devices, and whether a run speaks of the same ones."""

from modellab.backends.device import describe
from modellab.backends.registry import unstated
from modellab.backends.spec import ModelSpec
from modellab.errors import BadRecord
from modellab.machine.inventory import Inventory, take_inventory
from modellab.plugin.bench import Bench
from modellab.records.run import CorpusFacts, ModelFacts, Run


def model_facts(bench: Bench) -> dict[str, ModelFacts]:
    """Give what the run's file says of every chosen model that can run here, by id."""
    return {spec.id: _facts(bench, spec) for spec in bench.roster.runnable}


def corpus_facts(bench: Bench) -> dict[str, CorpusFacts]:
    """Give what the run's file says of every corpus that has been read, by name."""
    return {
        corpus.name: CorpusFacts(
            revision=corpus.revision,
            utterances=len(corpus),
            duration_s=corpus.duration_s,
            languages=corpus.languages,
            clean=corpus.clean,
            conditions=corpus.conditions,
            selection=str(bench.selections.get(corpus.name, "")),
        )
        for corpus in bench.read_corpora()
    }


def inventory(bench: Bench) -> Inventory:
    """Give the devices of every chosen model that can run here, each once, as they are set now."""
    names = dict.fromkeys(spec.device for spec in bench.roster.runnable)
    return take_inventory(map(describe, names))


def refuse_other_run(bench: Bench, run: Run) -> None:
    """Check that what is to be measured is what the run's records speak of.

    Raises:
        BadRecord: when a corpus or a model's options are not those of the run.
    """
    for name, facts in corpus_facts(bench).items():
        old = run.corpora.get(name)
        if old and old.revision != facts.revision:
            raise BadRecord(
                f"run {run.id} heard corpus {name!r} at revision {old.revision}; it is {facts.revision} now. "
                "Start a new run: leave --run-dir out, or name an empty folder."
            )
    for session in run.sessions:
        for name, model in model_facts(bench).items():
            if name in session.models and _asked(session.models[name]) != _asked(model):
                raise BadRecord(
                    f"run {run.id} asked model {name!r} with other options. Start a new run: leave --run-dir out."
                )


def _facts(bench: Bench, spec: ModelSpec) -> ModelFacts:
    home = bench.roster.home(spec)
    return ModelFacts(
        backend=spec.backend,
        runtime_version=bench.roster.runtime_version(spec),
        options=bench.roster.options(spec),
        not_honoured=bench.roster.not_honoured(spec),
        environment=home.name if home else None,
        packages=home.versions if home else {},
    )


def _asked(facts: ModelFacts) -> dict[str, object]:
    """Give what a model was asked; an option that the run did not know of yet was as nobody states it."""
    return {name: value for name, value in {**unstated(facts.backend), **facts.options}.items() if name != "threads"}
