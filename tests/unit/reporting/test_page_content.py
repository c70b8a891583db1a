"""The page to look around in: what it holds, and that nothing in it can become markup or script."""

import gzip
import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pytest

from modellab.errors import BadAudio
from modellab.records.record import ColdStart
from modellab.reporting.accuracy import judge_utterance
from modellab.reporting.page.clip import collect_clips, encode_vorbis
from modellab.reporting.page.document import document, embed, pack
from modellab.reporting.page.finding import find
from modellab.reporting.page.listing import written
from modellab.reporting.summary import summarize
from modellab.speech.audio import Audio

MODEL = "faster-whisper:whisper-tiny.en:cpu:int8"
OTHER = "transformers:whisper-tiny.en:cpu:float32"
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)'",
    "line\u2028and\u2029paragraph",
    "{{script}} {{content}}",
    "\\u003c </style>",
)


class Elements(HTMLParser):
    """The elements of a page, and the text of its scripts and styles by id or name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.names.append(tag)
        self.attributes += attrs
        self._inside = (dict(attrs).get("id") or tag) if tag in {"script", "style", "title"} else ""

    def handle_endtag(self, tag):
        """Note its end."""
        self._inside = ""

    def handle_data(self, data):
        """Note the text inside."""
        if self._inside:
            self.texts[self._inside] = self.texts.get(self._inside, "") + data


def tone(record=None):
    """Give two seconds of sound."""
    return Audio(samples=np.sin(np.arange(32_000, dtype=np.float32) / 8).astype(np.float32) / 4)


def page_of(run, facts, listen=None, budget_bytes=1 << 20):
    """Give the page of a run of these facts, and what its elements are."""
    records = [fact for fact in facts if not isinstance(fact, ColdStart)]
    page = document(summarize(run, facts), lambda: iter(records), listen, budget_bytes)
    return page, Elements(page)


def listing_of(elements):
    """Give what the page unpacks."""
    return json.loads(gzip.decompress(b64decode(elements.texts["listing"])))


@pytest.mark.parametrize("text", HOSTILE)
def test_embedded_text_ends_no_script(text) -> None:
    """JSON in the page holds no `<` and no separator of lines, and reads back as it was."""
    embedded = embed({text: [text]})
    assert not set("<\u2028\u2029") & set(embedded)
    assert json.loads(embedded) == {text: [text]}


def test_packed_text_reads_back() -> None:
    """Packed JSON is of letters that need no care, and reads back, half of a character pair included."""
    value = [*HOSTILE, "ほんとう", "\ud800"]
    packed = pack(value)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed)
    assert json.loads(gzip.decompress(b64decode(packed))) == value


def test_hostile_texts_add_no_element(run, record) -> None:
    """Whatever models, corpora and machines say, the page has the same elements and runs the same script."""
    plain = page_of(run(1), [record("a", heard="the cat sat")])[1]
    for text in HOSTILE:
        facts = [record(text, said=text, heard=f"{text} {text}", speaker=text, facts={text: text, "x": "y"})]
        hostile = page_of(run(1), facts)[1]
        assert hostile.names == plain.names
        assert [pair for pair in hostile.attributes if pair[0].startswith("on")] == []
        assert (hostile.texts["script"], hostile.texts["style"]) == (plain.texts["script"], plain.texts["style"])
        (row,) = listing_of(hostile)["rows"]
        assert (row[1], row[7], row[9][0][1]) == (text, text, f"{text} {text}")


def test_policy_lets_in_this_page_alone(run, record) -> None:
    """The policy forbids everything but the style and the script of the page itself, by their hashes."""
    _, elements = page_of(run(1), [record("a")])
    (policy,) = [value for name, value in elements.attributes if name == "content" and value and "default" in value]
    assert policy.startswith("default-src 'none'; ")
    for part in ("style", "script"):
        digest = b64encode(sha256(elements.texts[part].encode()).digest()).decode()
        assert f"{part}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not [value for name, value in elements.attributes if name in {"src", "action"} or "http:" in (value or "")]


def test_the_page_names_no_path_of_this_machine(run, record) -> None:
    """The folder in which the weights lie is nobody's business."""
    page, _ = page_of(run(1), [record("a")])
    assert "/home/me" not in page
    assert "f00d" in page


@pytest.mark.parametrize(
    ("said", "heard", "language"),
    [
        ("the hat sat", "the cat sat down", "en"),
        ("one two three", "", "en"),
        ("", "you", ""),
        ("a b c d e f", "b x d e f g h", "de"),
        ("你好 世界", "你 世纪界", "zh"),
    ],
)
def test_alignment_reads_back(record, said, heard, language) -> None:
    """The steps and units of a row give back both sides of the alignment, and its counts."""
    judged = judge_utterance(record("a", said=said, heard=heard, language=language))
    row = written(judged, 0)
    reference = [unit for edit in judged.edits for unit in edit.reference]
    counts, here, there, hypothesis = dict.fromkeys("=sdi", 0), 0, 0, []
    for letter, number in re.findall(r"([=sdi])(\d+)", row.steps):
        counts[letter] += int(number)
        for _ in range(int(number)):
            if letter == "=":
                hypothesis.append(reference[here])
            elif letter in "si":
                hypothesis.append(row.units[there])
                there += 1
            here += letter != "i"
    assert here == len(reference)
    assert hypothesis == [unit for edit in judged.edits for unit in edit.hypothesis]
    score = judged.score
    assert tuple(counts.values()) == (score.hits, score.substitutions, score.deletions, score.insertions)


def test_models_share_an_utterance(run, record) -> None:
    """What two models wrote for an utterance stands in one row; a failure says why in the transcript's place."""
    facts = [record("a", heard="the cat sat"), record("a", heard=None, model=OTHER)]
    listing = listing_of(page_of(run(1, models=(MODEL, OTHER)), facts)[1])
    (row,) = listing["rows"]
    by_model = {listing["models"][one[0]]: one for one in row[9]}
    assert by_model[MODEL][1:4] == ["the cat sat", "=1s1=1", "cat"]
    assert by_model[OTHER][2] == "d3"
    assert "no memory left" in by_model[OTHER][5]


def test_the_last_record_counts(record) -> None:
    """Of two records of an utterance the later one is shown, and other lanes are not."""
    records = [
        record("a", heard="wrong all over"),
        record("a"),
        record("a", heard="x", lane="timing"),
        record("a", heard="y", lane="variation", variation="again"),
    ]
    (heard,) = find(lambda: iter(records)).listing.heard.values()
    assert [one.text for one in heard.values()] == ["the hat sat"]


def test_too_many_records_leave_the_worst(record) -> None:
    """Where there is no room for all, the listing has the utterances with the most errors and counts the others."""
    texts = {"a": "the hat sat", "b": "the", "c": "the cat sat", "d": "so what is this"}
    records = [record(name, heard=text, model=model) for name, text in texts.items() for model in (MODEL, OTHER)]
    found = find(lambda: iter(records), most=4)
    assert [key.utterance for key in found.listing.heard] == ["b", "d"]
    assert found.listing.left_out == 2
    assert found.confusions[MODEL, "tones"] == find(lambda: iter(records)).confusions[MODEL, "tones"]


def test_confusions_leave_failures_out(record) -> None:
    """The words of an utterance that failed are not among those left out."""
    records = [record("a", heard="the cat sat"), record("b", heard=None)]
    confusions = find(lambda: iter(records)).confusions[MODEL, "tones"]
    assert [(one.said, one.written) for one in confusions.substitutions] == [("hat", "cat")]
    assert confusions.deletions == ()


def test_clips_stay_within_their_budget(record) -> None:
    """The worst utterances are heard first; what does not fit is not heard at all, and says so."""
    size = len(b64encode(encode_vorbis(tone())))
    heard = []

    def listen(record):
        heard.append(record.utterance)
        return tone()

    clips = collect_clips([(place, record(f"u{place}")) for place in (3, 1, 2, 0)], listen, size * 2 + 10)
    assert list(clips.clips) == [3, 1]
    assert heard == ["u3", "u1", "u2"]
    assert [(places, "beyond the budget" in why) for why, places in clips.reasons.items()] == [([2, 0], True)]
    assert all(len(clip) <= size for clip in clips.clips.values())


def test_a_clip_that_cannot_be_read_says_why(run, record) -> None:
    """Audio that is gone leaves its reason, and the others are embedded."""

    def listen(heard):
        if heard.utterance == "a":
            raise BadAudio("audio not embedded: it is gone")
        return tone()

    _, elements = page_of(run(2), [record("a"), record("b", heard="x")], listen)
    assert b64decode(elements.texts["clip-1"])[:4] == b"OggS"
    assert "clip-0" not in elements.texts
    assert listing_of(elements)["silent"] == {"audio not embedded: it is gone": [0]}


def test_long_audio_is_encoded() -> None:
    """Ten minutes at once are more than libsndfile's stack holds, and are encoded all the same."""
    assert len(encode_vorbis(Audio(samples=np.zeros(600 * 16_000, dtype=np.float32)))) > 0


def test_every_figure_is_there(run, record) -> None:
    """The page holds the rows with rates, errors, intervals and speed, and a model that was only started."""
    facts = [
        record("a", heard="the cat sat", speaker="s1"),
        record("b", speaker="s2"),
        record("a", lane="timing", transcribe_s=(0.2, 0.3, 0.25)),
        ColdStart(model=OTHER, session=1, total_s=3.21, peak_memory_bytes=300 << 20),
    ]
    _, elements = page_of(run(2, models=(MODEL, OTHER)), facts)
    content = json.loads(elements.texts["content"])
    row, started = sorted(content["rows"], key=lambda row: row["model"])
    assert row["scores"][0]["rate"] == pytest.approx(1 / 6)
    assert row["interval"]["clusters"] == 2
    assert (row["rtf"]["median"], row["rtf"]["fastest"], row["rtf"]["slowest"]) == (0.125, 0.1, 0.15)
    assert (started["corpus"], started["cold_start_s"], started["scores"]) == ("", 3.21, [])


def test_a_run_without_facts_has_a_page(run) -> None:
    """A run in which nothing was heard still opens."""
    _, elements = page_of(run(), [])
    assert listing_of(elements)["rows"] == []
