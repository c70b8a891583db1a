"""What scoring costs: our normaliser and alignment against a plain loop over openai-whisper's normaliser and jiwer.

Both score the same pairs of reference and hypothesis, one pair after another, and must count the same. The pairs are
made by seed: a reference is a sentence of a corpus with a few words put in from a vocabulary of invented ones, since
100,000 real utterances hold tens of thousands of different words; a hypothesis is its reference with words exchanged,
dropped and put in. The plain loop takes a sample drawn by seed and its time is extrapolated, unless --full is given.

    python benchmarks/scoring.py [--pairs N] [--sample N | --full] [--corpus NAME_OR_PATH ...]
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import jiwer
from whisper.normalizers import EnglishTextNormalizer

from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.machine.clock import timed
from modellab.scoring.normalize import normalizer
from modellab.scoring.score import Score
from modellab.scoring.wer import score_all
from modellab.sources.cache import cache_root

FIXTURES = Path(__file__).parents[1] / "fixtures"
GOAL_S = 15.0
VOCABULARY = 60_000
INVENTED, EXCHANGED, DROPPED, PUT_IN = 0.05, 0.05, 0.02, 0.02

Pair = tuple[str, str]
Counts = tuple[int, int, int, int]


def sentences(corpora: Sequence[str], cache: Path) -> list[str]:
    """Give the English references of corpora, by name or path."""
    known = read_corpora(FIXTURES / "corpora.toml")
    texts = [u.reference for name in corpora for u in known.read(Selection(source=name), cache) if u.language == "en"]
    return [text for text in texts if text.strip()]


def make_pairs(said: Sequence[str], count: int, random: Random) -> Iterator[Pair]:
    """Give pairs of a reference and a hypothesis."""
    invented = ["".join(random.choices("abcdefghiklmnoprstuvwy", k=random.randint(4, 9))) for _ in range(VOCABULARY)]
    known = [word for sentence in said for word in sentence.split()]
    for _ in range(count):
        sentence = random.choice(said).split()
        reference = [random.choice(invented) if random.random() < INVENTED else word for word in sentence]
        hypothesis = [text for word in reference for text in misheard(word, known, random)]
        yield " ".join(reference), " ".join(hypothesis)


def misheard(word: str, known: Sequence[str], random: Random) -> Iterator[str]:
    """Give what a model makes of a word: itself as a rule."""
    if random.random() < PUT_IN:
        yield random.choice(known)
    if random.random() >= DROPPED:
        yield random.choice(known) if random.random() < EXCHANGED else word


def plain_loop(pairs: Sequence[Pair]) -> list[Counts]:
    """Score as one would write it by hand."""
    normalize = EnglishTextNormalizer()
    counts = []
    for said, heard in pairs:
        measured = jiwer.process_words(normalize(said), normalize(heard))
        counts.append((measured.hits, measured.substitutions, measured.deletions, measured.insertions))
    return counts


def ours(pairs: Sequence[Pair]) -> list[Counts]:
    """Score as the house does, from a normaliser that has met no word yet."""
    normalizer.cache_clear()
    return [counts_of(score) for score in score_all(pairs, normalizer("whisper-en"))]


def counts_of(score: Score) -> Counts:
    """Give the four counts alone."""
    return (score.hits, score.substitutions, score.deletions, score.insertions)


def main() -> int:
    """Measure and print; give 0 where all counts agree and the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=10_000, help="pairs that the plain loop scores")
    parser.add_argument("--full", action="store_true", help="let the plain loop score all pairs")
    parser.add_argument("--corpus", nargs="+", default=["librivox", "multilingual"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random = Random(options.seed)
    cache = cache_root(Path(os.environ["MODELLAB_CACHE_DIR"]) if "MODELLAB_CACHE_DIR" in os.environ else None)
    said = sentences(options.corpus, cache)
    pairs = list(make_pairs(said, options.pairs, random))
    size = len(pairs) if options.full else min(options.sample, len(pairs))
    drawn = sorted(random.sample(range(len(pairs)), size))

    scored, seconds = timed(lambda: ours(pairs))
    expected, plain_s = timed(lambda: plain_loop([pairs[index] for index in drawn]))
    wrong = [index for index, counts in zip(drawn, expected, strict=True) if scored[index] != counts]

    whole_s = plain_s * len(pairs) / size
    how = "measured on all" if size == len(pairs) else f"extrapolated from {plain_s:.2f} s for {size} drawn by seed"
    words = sum(len(reference.split()) for reference, _ in pairs)
    sys.stdout.write(
        f"{len(pairs)} pairs from {len(said)} sentences, {words} reference words\n"
        f"plain loop: {whole_s:.1f} s ({how})\n"
        f"ours:       {seconds:.1f} s (measured on all, one process; goal: at most {GOAL_S:.0f} s for 100000)\n"
        f"ratio:      {whole_s / seconds:.1f}\n"
        f"counts:     equal on {size - len(wrong)} of {size} pairs scored by both\n"
    )
    for index in wrong[:5]:
        sys.stdout.write(f"  differ: {pairs[index]}\n")
    return 0 if not wrong and seconds <= GOAL_S * len(pairs) / 100_000 else 1


if __name__ == "__main__":
    sys.exit(main())
