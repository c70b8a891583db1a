"""The contract of backends: an honest fake keeps it, and each way to break it is caught by what forbids it."""

from collections.abc import Callable

import pytest

HONEST = """
from dataclasses import dataclass, replace
from typing import ClassVar

from modellab.backends.base import DecodeOptions
from modellab.contract import BackendContract
from modellab.speech.transcript import Segment, Transcript, Word
from modellab.testing import FakeBackend


@dataclass(kw_only=True)
class Honest(FakeBackend):
    cannot_honour: ClassVar = frozenset(
        "beam_size condition_on_previous_text max_new_tokens prompt task temperatures timestamps vad".split()
    )

    def _write(self, audio, language):
        super()._write(audio, language)
        text = " ".join(["loud"] * round(audio.duration_s)) if abs(audio.samples).max() > 0.01 else ""
        segments = (Segment(text=text, start_s=0.0, end_s=audio.duration_s),) if text else ()
        return Transcript(text=text, segments=segments, language=language)


@dataclass(kw_only=True)
class Here(Honest):
    {body}


class TestHere(BackendContract):
    name = "{name}"
    {attributes}

    @classmethod
    def make(cls):
        return Here()
"""
LATER = """def _write(self, audio, language):
        written = super()._write(audio, language)
        {change}"""
BROKEN = {
    "a lazy answer": (
        """def transcribe(self, audios, language=None):
        yield from super().transcribe(audios, language)""",
        {"transcripts_are_finished"},
    ),
    "one too few": (
        """def transcribe(self, audios, language=None):
        return super().transcribe(audios[:1], language)""",
        {"transcripts_are_finished", "a_batch_gives_what_single_calls_give", "times_are_inside_the_audio"},
    ),
    "space around": (
        LATER.format(change='return replace(written, text=written.text + " ")'),
        {"transcripts_are_finished"},
    ),
    "segments of other words": (
        LATER.format(change='return replace(written, text=written.text.replace("loud", "quiet"))'),
        {"transcripts_are_finished"},
    ),
    "another order": (
        """def transcribe(self, audios, language=None):
        return sorted(super().transcribe(audios, language), key=lambda written: len(written.text))""",
        {"a_batch_gives_what_single_calls_give"},
    ),
    "a batch that is heard otherwise": (
        """def transcribe(self, audios, language=None):
        heard = super().transcribe(audios, language)
        return heard if len(heard) < 4 else [replace(each, text=each.text.upper()) for each in heard]""",
        {"a_batch_gives_what_single_calls_give"},
    ),
    "another text each time": (
        LATER.format(change='return Transcript(text=written.text and f"{written.text}{sum(self.batches)}")'),
        {
            "a_batch_gives_what_single_calls_give",
            "the_same_audio_is_the_same_text",
            "closing_twice_is_safe",
            "segments_are_told",
            "it_may_be_asked_otherwise",
        },
    ),
    "segments that nobody is told of": (
        """def narrate(self, audio, language, tell):
        return self.transcribe([audio], language)[0]""",
        {"segments_are_told"},
    ),
    "another way that is not followed": (
        """def asked(self, decode):
        return super().asked(replace(decode, language="de"))""",
        {"it_may_be_asked_otherwise"},
    ),
    "samples written over": (
        LATER.format(change="audio.samples[0] = 1.0; return written"),
        {"the_same_audio_is_the_same_text"},
    ),
    "words in silence": (
        LATER.format(change='return written if written.text else replace(written, text="thank you")'),
        {"silence_has_no_words"},
    ),
    "times beyond the end": (
        LATER.format(change="""late = [replace(each, end_s=each.end_s + 0.1) for each in written.segments]
        return replace(written, segments=tuple(late))"""),
        {"times_are_inside_the_audio"},
    ),
    "segments within one another": (
        LATER.format(change="return replace(written, text=written.text * 2, segments=written.segments * 2)"),
        {"times_are_inside_the_audio"},
    ),
    "words outside": (
        LATER.format(change="""early = (Word(text="loud", start_s=-1.0, end_s=0.5),)
        return replace(written, segments=tuple(replace(each, words=early) for each in written.segments))"""),
        {"times_are_inside_the_audio"},
    ),
    "times promised and not given": (
        "cannot_honour: ClassVar = Honest.cannot_honour - {'timestamps'}",
        {"times_are_inside_the_audio"},
    ),
    "a close that wants a load": (
        """def close(self):
        assert self.loads, "not loaded"
        super().close()""",
        {"closing_twice_is_safe"},
    ),
    "a close that is not for twice": (
        """def close(self):
        assert self.closes <= self.loads, "closed"
        super().close()""",
        {"closing_twice_is_safe"},
    ),
    "one load for ever": (
        """def load(self):
        assert not self.closes, "loaded once already"
        super().load()""",
        {"closing_twice_is_safe", "memory_comes_back"},
    ),
    "memory that stays": ("leaks_bytes: int = 24 << 20", {"memory_comes_back"}),
    "an option that is ignored": (
        "cannot_honour: ClassVar = Honest.cannot_honour - {'beam_size'}",
        {"options_that_it_cannot_honour_are_declared"},
    ),
    "an option that there is not": (
        "cannot_honour: ClassVar = Honest.cannot_honour | {'beams'}",
        {"options_that_it_cannot_honour_are_declared"},
    ),
    "options that are swallowed": (
        """def __init__(self, no_such_option=None, **options):
        super().__init__(**options)""",
        {"unknown_options_are_refused"},
    ),
}  # fmt: skip
SDK = """
from dataclasses import dataclass
from typing import ClassVar

{early}
from modellab.testing import FakeBackend


@dataclass(kw_only=True)
class Attic(FakeBackend):
    package: ClassVar[str] = "attic"
    modules: ClassVar[tuple[str, ...]] = ("attic_sdk.engine",)
"""


@pytest.fixture
def failed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[str]]:
    """A runner of the contract on a fake whose body is given, which tells the rules that it fails."""
    monkeypatch.setattr("modellab.testing._LEAKED", [])

    def run(body: str = "pass", name: str = "fake", attributes: str = "", only: str = "not sdk") -> set[str]:
        pytester.makepyfile(HONEST.format(body=body, name=name, attributes=attributes))
        done = pytester.inline_run("-p", "no:cacheprovider", "-k", only)
        passed, skipped, broken = done.listoutcomes()
        assert len(passed) + len(broken) > 1
        assert not skipped
        return {report.nodeid.partition("::test_")[2].partition("[")[0] for report in broken}

    return run


def test_an_honest_backend_keeps_it(failed: Callable[..., set[str]]) -> None:
    """What keeps every promise passes every rule."""
    assert failed(only="test") == set()


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_caught(failed: Callable[..., set[str]], name: str) -> None:
    """Each way to break the contract fails the rules that forbid it, and no others."""
    body, rules = BROKEN[name]
    assert failed(body) == rules


@pytest.mark.parametrize(
    ("early", "rules"),
    [
        ("", set()),
        ("import attic_sdk", {"importing_imports_no_sdk", "a_missing_sdk_says_what_to_install"}),
        ("try:\n    import attic_sdk\nexcept ImportError:\n    attic_sdk = None", {"importing_imports_no_sdk"}),
    ],
    ids=["when needed", "at the top", "at the top, if it can"],
)
def test_an_sdk_that_is_imported_early_is_caught(
    failed: Callable[..., set[str]], pytester: pytest.Pytester, early: str, rules: set[str]
) -> None:
    """A backend in somebody's package that imports its runtime with its module fails the rules on that."""
    site = pytester.mkdir("site")
    pytester.syspathinsert(site)
    (site / "attic_sdk.py").write_text("")
    (site / "attic.py").write_text(SDK.format(early=early))
    about = site / "attic-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: attic\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[modellab.backends]\nattic = attic:Attic\n")
    assert failed(name="attic", only="importing_imports or missing_sdk") == rules
