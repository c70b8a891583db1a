"""Our normalisers beside openai-whisper's own: the same text from each, whatever goes in."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.scoring.normalize import normalizer
from modellab.sources.cache import cache_root

ROOT = Path(__file__).parents[2]
SPEECH = ROOT.parent / "shared" / "speech" / "manifest.jsonl"
CORPORA = ["librivox", "multilingual"]

# openai-whisper leaves its list of spellings to the garbage collector
pytestmark = pytest.mark.filterwarnings(r"ignore:.*english\.json:pytest.PytestUnraisableExceptionWarning")

UNITS = "one two three five eight nine ten eleven twelve nineteen o oh zero"
LARGER = "twenty thirty fifty ninety hundred thousand million billion decillion"
SUFFIXED = "ones sixes first second third fifth ninth nineth twelfth eighteenth twenties fortieth hundreds thousandth"
AROUND = "minus plus negative positive pound pounds euros dollar dollars cent cents per percent and double triple point"
FIGURES = "1 5 10 50 100 007 0.5 2.5 .5 5. 1,000 1,2,3 $5 $0 $1 $1.50 £20 €5 ¢7 3% 100% $.5 1.2.3 1960s 1st 20s 1s -5"
PARTS = "st nd rd th s half Half. half% and-a-half and a 2 nd 12:30 1-2 a1 b2c 5and twenty-one-hundred's"
SHORT = "won't can't it's she'd he's been gone done got gotta i'd've y'all ain't 'cause 's 'm o'clock ma'am's let's 'em"
TITLES = "mr mrs. St. dr Prof. gen gov hon jr esq wanna gonna imma woulda um uh hmm mhm mm number summer"
MARKS = "[noise] (laughs) <unk> [ ] ( ) <a [b> ... .. . , — - ' '' % $ ¢ ´ ™ ⁄ & … wait… don’t e.g. U.S. rock'n'roll"  # noqa: RUF001
LETTERS = "café naïve œuvre Straße ½ ² ｈａｌｆ ٣ ١٢ Ⅳ İstanbul ﬁ ẞ \u0301 \u0903x 今日 Größe"  # noqa: RUF001
PLAIN = "the cat colour grey organise programme aluminium kinda sorta dunno cause"
WORDS = " ".join((UNITS, LARGER, SUFFIXED, AROUND, FIGURES, PARTS, SHORT, TITLES, MARKS, LETTERS, PLAIN)).split()
SPACES = [" "] * 10 + ["  ", "\t", "\n", "\u00a0", "-", ", ", ". ", "'", " '", ""]

texts = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(SPACES)), max_size=10).map(
    lambda pieces: "".join(word + space for word, space in pieces)
)


@cache
def theirs(name: str):
    """Give openai-whisper's own normaliser."""
    return {"whisper-en": EnglishTextNormalizer, "basic": BasicTextNormalizer}[name]()


def check(name: str, text: str) -> None:
    """Refuse a text that becomes another here than there."""
    assert normalizer(name)(text) == " ".join(theirs(name)(text).split()), repr(text)


def made(count: int) -> Iterator[str]:
    """Give so many sentences put together by seed."""
    random = Random(0)
    for _ in range(count):
        words = random.choices(WORDS, k=random.randint(1, 20))
        yield "".join(word.title() if random.random() < 0.1 else word + random.choice(SPACES) for word in words)


@settings(max_examples=2000, deadline=None)
@given(text=texts)
@example(text="five and a half. two and-a-half, and a half")
@example(text="he'd been there, she's gotta go, it's um been")
@example(text="zero dollars 50% and $2 and ¢7, $0 50")
def test_words_that_rules_look_for(text: str) -> None:
    """Numbers, currencies, contractions, titles, brackets, accents and marks, in any order, become the same text."""
    check("whisper-en", text)


@pytest.mark.parametrize("name", ["whisper-en", "basic"])
@settings(max_examples=1000, deadline=None)
@given(text=st.text(max_size=40))
def test_any_text(name: str, text: str) -> None:
    """Any characters at all become the same text."""
    check(name, text)


@pytest.mark.parametrize("name", ["whisper-en", "basic"])
def test_sentences_put_together(name: str) -> None:
    """Five thousand sentences drawn by seed become the same text."""
    for text in made(5000):
        check(name, text)


@pytest.mark.parametrize("name", ["whisper-en", "basic"])
def test_every_spelling(name: str) -> None:
    """Every word that has a British spelling becomes the same text, with and without an ending."""
    listed = theirs("whisper-en").standardize_spellings.mapping
    for word in (*listed, *listed.values()):
        check(name, f"{word} {word}'s {word.title()}-{word}")


@pytest.mark.parametrize("corpus", CORPORA)
def test_references_of_corpora(corpus: str) -> None:
    """Every reference of the corpora becomes the same text."""
    for utterance in read_corpora(ROOT / "fixtures" / "corpora.toml").read(Selection(source=corpus), cache_root(None)):
        check("whisper-en", utterance.reference)
        check("basic", utterance.reference)


@pytest.mark.skipif(not SPEECH.exists(), reason="the folder of real speech is not here")
def test_references_of_real_speech() -> None:
    """Every transcript of the folder of real speech becomes the same text."""
    for line in SPEECH.read_text(encoding="utf-8").splitlines():
        check("whisper-en", json.loads(line)["text"])
