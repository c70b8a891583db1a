"""Compare: what changed from one run to others, and what else is not the same in them."""

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import Response

from modellab.backends.base import JsonValue
from modellab.errors import Refused
from modellab.records.record import Record
from modellab.reporting.accuracy import words_of
from modellab.server.http.access import needs
from modellab.server.http.problem import answers
from modellab.server.library.entry import RUN_ID, Entry
from modellab.server.library.library import Library
from modellab.server.library.paired import Changed, Side, differing, options_of, pair, surroundings_of
from modellab.server.library.readings import Reading
from modellab.server.library.result import Body, DifferenceBody
from modellab.server.routes.parameters import OptionalName
from modellab.server.service import Served

router = APIRouter(prefix="/api/compare", dependencies=[needs("read")], tags=["compare"])

MOST_PAIRS = 64

RunId = Annotated[str, Query(pattern=RUN_ID)]


class ComparedRunBody(Body):
    """A run that takes part."""

    id: str
    folder: str
    created_at: str


class DifferingBody(Body):
    """What the runs' machines do not state alike: by run, in the order of `runs`; None where a run states nothing."""

    name: str
    values: tuple[JsonValue, ...]


class OptionBody(Body):
    """What is stated of two models and is not the same."""

    name: str
    before: JsonValue
    after: JsonValue


class SpeedChangeBody(Body):
    """The median real-time factors, and the later over the earlier: above 1 is slower."""

    before: float | None
    after: float | None
    ratio: float | None


class ChangedBody(Body):
    """An utterance of which the two wrote different words, normalised."""

    utterance: str
    reference: str
    before: str
    after: str
    errors_before: int
    errors_after: int


class PairBody(Body):
    """A model of the baseline and one of another run, on a corpus that both heard at one revision.

    `compared` utterances have a transcript of both, `only_before` and `only_after` of one. Of the `changed` the worst
    are told in `worst`. `difference` is None where nothing is said in any of them.
    """

    run: str
    corpus: str
    before: str
    after: str
    compared: int
    only_before: int
    only_after: int
    changed: int
    difference: DifferenceBody | None
    rtf: SpeedChangeBody
    options: tuple[OptionBody, ...]
    worst: tuple[ChangedBody, ...]


class NotComparedBody(Body):
    """What could not be compared, and why."""

    run: str
    corpus: str
    model: str | None
    reason: str


class ComparisonBody(Body):
    """The baseline against every other run."""

    baseline: str
    runs: tuple[ComparedRunBody, ...]
    machine: tuple[DifferingBody, ...]
    pairs: tuple[PairBody, ...]
    not_compared: tuple[NotComparedBody, ...]


class _Party(NamedTuple):
    entry: Entry
    reading: Reading

    def side(self, model: str) -> Side:
        return Side(self.entry.id, model, self.reading.sheet)


class _Match(NamedTuple):
    party: _Party
    corpus: str
    before: str
    after: str


@router.get("", response_model=ComparisonBody, responses=answers(404, 422))
def compare_runs(
    service: Served,
    *,
    run: Annotated[list[RunId], Query(min_length=2, max_length=8)],
    baseline: RunId | None = None,
    corpus: OptionalName = None,
    model: OptionalName = None,
    models: Literal["same", "every"] = "same",
    worst: Annotated[int, Query(ge=0, le=20)] = 5,
) -> Response:
    """Compare runs with a baseline, the first of them where none is named, utterance by utterance.

    With `models=every` each model of the one is compared with each of the other, and not only with itself; a run that
    is named twice is compared with itself then. `model` restricts the baseline's.
    """
    library = service.library
    base_id = baseline or run[0]
    if base_id not in run:
        raise Refused("the baseline is none of the runs", status=422, code="bad_baseline", param="baseline")
    parties = {each: _Party(entry := library.find(each), library.reading(entry)) for each in dict.fromkeys(run)}
    base = parties[base_id]
    others = [party for name, party in parties.items() if name != base_id] or [base]
    matches, not_compared = _matches(base, others, corpus, model, every=models == "every")
    if len(matches) > MOST_PAIRS:
        raise Refused(
            f"there are {len(matches)} pairs, of which {MOST_PAIRS} can be compared at once: name a corpus or a model",
            status=422,
            code="too_many_pairs",
            param="models",
        )
    stated = differing(*(surroundings_of(party.reading.run) for party in parties.values()))
    body = ComparisonBody(
        baseline=base_id,
        runs=tuple(ComparedRunBody.model_validate(party.entry) for party in parties.values()),
        machine=tuple(DifferingBody(name=name, values=values) for name, values in stated),
        pairs=tuple(_pair(library, base, match, worst) for match in matches),
        not_compared=tuple(not_compared),
    )
    return Response(body.model_dump_json(), media_type="application/json")


def _matches(
    base: _Party, others: list[_Party], corpus: str | None, model: str | None, *, every: bool
) -> tuple[list[_Match], list[NotComparedBody]]:
    """Give what can be compared, and why the rest cannot."""
    matches: list[_Match] = []
    left_out: list[NotComparedBody] = []
    old = [(m, c) for m, c in base.reading.sheet.pairs() if model in {None, m} and corpus in {None, c}]
    for party in others:
        new = [(m, c) for m, c in party.reading.sheet.pairs() if corpus in {None, c}]
        for name in sorted({c for _, c in (*old, *new)}):
            before, after = ([m for m, c in pairs if c == name] for pairs in (old, new))
            reason = _refusal(base, party, name) if before and after else None
            if reason:
                left_out.append(NotComparedBody(run=party.entry.id, corpus=name, model=None, reason=reason))
                continue
            wanted = [(b, a) for b in before for a in after if every or a == b]
            if party is base:
                wanted = [(b, a) for b, a in wanted if b < a]
            matches += [_Match(party, name, b, a) for b, a in wanted]
            left_out += _alone(party, name, before, after, wanted, named=model is not None)
    return matches, left_out


def _alone(
    party: _Party, corpus: str, before: list[str], after: list[str], wanted: list[tuple[str, str]], *, named: bool
) -> Iterator[NotComparedBody]:
    taken = {name for match in wanted for name in match}
    sides = (("the baseline", before), ("this run", () if named else after))
    for where, models in sides:
        for model in models:
            if model not in taken:
                reason = f"only {where} has this model on this corpus"
                yield NotComparedBody(run=party.entry.id, corpus=corpus, model=model, reason=reason)


def _refusal(base: _Party, other: _Party, corpus: str) -> str | None:
    """Say why rates on a corpus do not compare."""
    facts = [party.reading.run.corpora.get(corpus) for party in (base, other)]
    revisions = {each.revision for each in facts if each}
    if len(revisions) < 2:  # noqa: PLR2004
        return None
    return f"it is at revision {facts[0].revision if facts[0] else None} in the baseline, at another in this run"


def _pair(library: Library, base: _Party, match: _Match, worst: int) -> PairBody:
    old, new = base.side(match.before), match.party.side(match.after)
    found = pair(old, new, match.corpus)
    options = differing(options_of(base.reading.run, match.before), options_of(match.party.reading.run, match.after))
    return PairBody(
        run=match.party.entry.id,
        corpus=match.corpus,
        before=match.before,
        after=match.after,
        compared=found.compared,
        only_before=found.only_before,
        only_after=found.only_after,
        changed=len(found.changed),
        difference=DifferenceBody.of(found.difference) if found.difference else None,
        rtf=_speed(base, match),
        options=tuple(OptionBody(name=name, before=values[0], after=values[1]) for name, values in options),
        worst=tuple(_told(library, base, match, changed) for changed in found.changed[:worst]),
    )


def _speed(base: _Party, match: _Match) -> SpeedChangeBody:
    results = (
        base.reading.summary.result(match.before, match.corpus),
        match.party.reading.summary.result(match.after, match.corpus),
    )
    before, after = (result.speed.rtf_median if result else None for result in results)
    return SpeedChangeBody(before=before, after=after, ratio=after / before if before and after else None)


def _told(library: Library, base: _Party, match: _Match, changed: Changed) -> ChangedBody:
    old = _record(library, base, changed.before)
    new = _record(library, match.party, changed.after)
    return ChangedBody(
        utterance=changed.utterance,
        reference=old.reference,
        before=words_of(old),
        after=words_of(new),
        errors_before=changed.errors_before,
        errors_after=changed.errors_after,
    )


def _record(library: Library, party: _Party, row: int) -> Record:
    (record,) = library.records(party.entry, [int(party.reading.sheet.columns["place"][row])])
    return record
