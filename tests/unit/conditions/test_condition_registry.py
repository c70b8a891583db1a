"""The conditions that can be written, and what is said of those that cannot."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modellab.conditions.registry import ConditionRegistry, read_conditions
from modellab.corpora.selection import parse_selection
from modellab.errors import BadDefinition, UnknownName
from modellab.speech.effect import Condition
from modellab.speech.utterance import Corpus

MakeCorpus = Callable[..., Corpus]

HOUSE = Path(__file__).parents[3] / "fixtures" / "conditions.toml"
NOISE = '[condition.noise]\neffect = "noise"\nsound = "pink"\ndescription = "noise"\n'
EACH = {
    "noise": "10dB",
    "white-noise": "-2.5dB",
    "babble": "0dB",
    "reverb": "0.6s",
    "telephone": "",
    "telephone-a": "",
    "mp3": "16kbps",
    "opus": "12kbps",
    "speed": "1.25x",
    "gain": "-20dB",
    "clip": "20%",
    "lead": "2s",
    "pause": "2s",
    "cut": "0.5s",
}


@pytest.fixture
def house() -> ConditionRegistry:
    """The conditions of this repository."""
    return read_conditions(HOUSE)


@pytest.fixture
def defined(tmp_path: Path) -> Callable[[str], ConditionRegistry]:
    """A reader of definitions, schema and all."""

    def read(text: str) -> ConditionRegistry:
        path = tmp_path / "conditions.toml"
        path.write_text(f"schema = 1\n{text}")
        return read_conditions(path)

    return read


def written(name: str) -> str:
    """Give a condition of this repository as it is written."""
    return ":".join(filter(None, (name, EACH[name])))


def test_the_list_of_this_test_is_whole(house: ConditionRegistry) -> None:
    """Every condition that is defined is tried below."""
    assert list(house.definitions) == list(EACH)


@pytest.mark.parametrize("name", EACH)
def test_each_condition_can_be_written_and_heard(house: ConditionRegistry, corpus: MakeCorpus, name: str) -> None:
    """A corpus under each condition is called as it is selected, and each utterance lasts as long as it says."""
    clean = corpus()
    selection = parse_selection(f"talk+{written(name)}")
    under = clean.under(house.effects(selection.conditions, clean), seed=1)
    assert under.name == selection.name == f"talk+{written(name)}"
    assert [str(condition) for condition in under.conditions] == list(selection.conditions)
    for utterance in under:
        assert utterance.hear().duration_s == pytest.approx(utterance.duration_s, abs=1 / 16_000)


def test_conditions_are_done_in_the_order_written(house: ConditionRegistry, corpus: MakeCorpus) -> None:
    """The first written is the first done, and the same may be written twice."""
    effects = house.effects(("telephone", "noise:10dB", "noise:10dB"), corpus())
    assert [effect.condition for effect in effects] == [
        Condition(kind="telephone"),
        *[Condition(kind="noise", strength=10.0, unit="dB")] * 2,
    ]
    assert house.effects((), corpus()) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("noise", "'noise': its strength is in dB; write noise:NUMBERdB, -20 to 60"),
        ("noise:", "its strength is in dB"),
        ("noise:10", "its strength is in dB"),
        ("noise:10db", "its strength is in dB"),
        ("noise:10s", "its strength is in dB"),
        ("noise:loud", "its strength is in dB"),
        ("noise:10dB20", "its strength is in dB"),
        ("noise:61dB", "out of range; write noise:NUMBERdB, -20 to 60"),
        ("noise:-20.5dB", "out of range"),
        ("noise:10.0dB", "'noise:10.0dB': write noise:10dB"),
        ("noise:010dB", "write noise:10dB"),
        ("noise:-0dB", "write noise:0dB"),
        ("noise:1.23456789dB", "write noise:1.23457dB"),
        ("clip:.5%", "write clip:0.5%"),
        ("telephone:8kHz", "telephone has no strength; write telephone"),
        ("mp3:20kbps", "out of range; write mp3:NUMBERkbps, 8, 16, 24, 32"),
        ("opus:1kbps", "out of range"),
        ("reverb:600ms", "its strength is in s"),
    ],
)
def test_what_is_written_wrong_is_refused(house: ConditionRegistry, corpus: MakeCorpus, text: str, said: str) -> None:
    """A strength that is missing, out of range, of another unit or spelt otherwise is refused with the right one."""
    with pytest.raises(BadDefinition) as refused:
        house.effects((text,), corpus())
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["nois:10dB", "Noise:10dB", "noises"])
def test_an_unknown_condition_names_the_nearest(house: ConditionRegistry, corpus: MakeCorpus, text: str) -> None:
    """A condition that is not defined is an unknown name, with the nearest and where they are defined."""
    with pytest.raises(UnknownName, match=r"no condition '\w+'. Did you mean 'noise'\?.*conditions.toml"):
        house.effects((text,), corpus())


def test_babble_of_too_few_is_refused(house: ConditionRegistry, corpus: MakeCorpus) -> None:
    """A corpus whose voices do not suffice is named."""
    with pytest.raises(BadDefinition, match="condition 'babble': corpus 'talk' has 2 utterances"):
        house.effects(("babble:10dB",), corpus(2))


def test_without_a_file_there_are_no_conditions(tmp_path: Path, corpus: MakeCorpus) -> None:
    """A folder of definitions that has no conditions.toml defines none."""
    registry = read_conditions(tmp_path / "conditions.toml")
    assert registry.effects((), corpus()) == ()
    with pytest.raises(UnknownName, match=r"no condition 'noise'\. Known: none"):
        registry.effects(("noise:10dB",), corpus())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[condition.a]\neffect = "nois"\ndescription = "a"', "effect must be one of babble, .*not 'nois'"),
        ('[condition.a]\neffect = "gain"', "condition, a: description must be a text"),
        (NOISE + "sond = 1", "unknown key 'sond'. Did you mean 'sound'"),
        (NOISE.replace('sound = "pink"', ""), "sound must be a text that is not empty, and it is missing"),
        (NOISE.replace("pink", "brown"), "sound must be one of pink, white, not 'brown'"),
        (NOISE + "least = 5\nmost = 4", "most must be no lower than least, 5"),
        (NOISE + "least = -1000", "least must be a number from -40 to 80, in dB, not -1000"),
        (NOISE + 'most = "loud"', "most must be a number"),
        (NOISE + "most = true", "most must be a number"),
        (NOISE + "most = nan", "most must be a number"),
        ('[condition.a]\neffect = "gain"\nlaw = "mu"\ndescription = "a"', "unknown key 'law'"),
        ('[condition.a]\neffect = "telephone"\nlaw = "mu"\nmost = 3\ndescription = "a"', "unknown key 'most'"),
        ('[condition."a b"]\neffect = "gain"\ndescription = "a"', "the name of a condition is a letter"),
        ("[conditions]", "unknown key 'conditions'. Did you mean 'condition'"),
        ("condition = 3", "condition must be a table"),
        ("[", "cannot read conditions"),
    ],
)
def test_a_bad_definition_is_refused(defined: Callable[[str], ConditionRegistry], text: str, said: str) -> None:
    """A definition with an unknown key, effect or option, or with bounds that mean nothing, is refused by name."""
    with pytest.raises(BadDefinition, match=said):
        defined(text)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    """A file of another schema is not guessed at."""
    (tmp_path / "conditions.toml").write_text("schema = 2\n[condition]\n")
    with pytest.raises(BadDefinition, match="schema must be 1"):
        read_conditions(tmp_path / "conditions.toml")


def test_bounds_are_the_effects_own_where_none_are_set(
    defined: Callable[[str], ConditionRegistry], corpus: MakeCorpus
) -> None:
    """What the definition does not bound, the effect does."""
    registry = defined(NOISE)
    assert registry.effects(("noise:80dB",), corpus())
    with pytest.raises(BadDefinition, match="out of range; write noise:NUMBERdB, -40 to 80"):
        registry.effects(("noise:81dB",), corpus())
