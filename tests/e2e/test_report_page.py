"""The page to look around in as a reader meets it: in a browser, from disk, with nothing else at hand."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from visit import Visit, visiting

from modellab.errors import BadAudio
from modellab.records.environment import Environment
from modellab.records.failure import Failure
from modellab.records.record import ColdStart, Record
from modellab.records.run import CorpusFacts, ModelFacts, Session
from modellab.records.store import Store
from modellab.reporting.publish import make_report
from modellab.speech.audio import Audio
from modellab.speech.effect import Condition
from modellab.speech.transcript import Transcript

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GOOD = "faster-whisper:whisper-tiny.en:cpu:float32"
BAD = "faster-whisper:whisper-tiny.en:cpu:int8"
EVIL = "</script><img src=x onerror=document.title='owned'>"
STORY = "the cat sat on the mat while seven old men told long tales of ships that sailed beyond"
MINUS = "\N{MINUS SIGN}"
MANY = 10_000


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two models over a few tones, clean and under noise."""
    return publish(tmp_path_factory.mktemp("few"), fill_few)


@pytest.fixture(scope="module")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two models over ten thousand utterances."""
    return publish(tmp_path_factory.mktemp("many"), fill_many)


@pytest.fixture
def visit(browser: Any, report: Path) -> Iterator[Visit]:
    yield from visiting(browser, report)


def test_the_page_asks_for_nothing(visit: Visit, report: Path) -> None:
    """Opened from disk, the page asks for itself alone, and no part of it raises an error or breaks its policy."""
    for choice in ("#show", "#sort", "#field", "#words-model", "#corpus", "#curve"):
        for value in visit.page.locator(f"{choice} option:enabled").evaluate_all("all => all.map(one => one.value)"):
            visit.page.select_option(choice, value)
    assert [url for url in visit.asked if not url.startswith("data:")] == [report.as_uri()]
    assert visit.errors == []


def test_policy_stops_what_gets_in(visit: Visit) -> None:
    """Were markup to get in after all, it would run nothing and reach nobody."""
    visit.page.evaluate("""() => document.body.insertAdjacentHTML("beforeend",
        "<img src='https://example.org/x.png'><div onclick='document.title=1' id='evil'>x</div>")""")
    visit.page.evaluate("() => document.getElementById('evil').click()")
    assert visit.page.title() != "1"
    assert any("Content Security Policy" in error for error in visit.errors)


def test_hostile_text_is_text(visit: Visit) -> None:
    """What looks like markup in an id, a reference or a hypothesis is shown as it is."""
    visit.page.fill("#find", "onerror")
    visit.page.wait_for_function("() => document.querySelectorAll('#rows .row').length === 1")
    assert visit.rows() == [EVIL]
    visit.page.get_by_text("as written, before normalisation").click()
    assert EVIL in visit.page.locator("#detail .raw").inner_text()
    assert visit.page.locator("img").count() == 0
    assert visit.page.title().startswith("Model Lab")


def test_table_sorts(visit: Visit) -> None:
    """A click on a column sorts by it, a second one the other way round, and the column says so."""
    table = visit.page.locator("#models-table")
    button = table.get_by_role("button", name="WER")
    button.click()
    rates = table.locator("tbody td:nth-child(2)")
    upwards = rates.all_inner_texts()
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("WER")
    button.click()
    assert table.locator("th[aria-sort=descending]").count() == 1
    assert rates.all_inner_texts() == upwards[::-1]
    assert upwards[0] < upwards[1]


def test_points_tell_their_figures(visit: Visit) -> None:
    """A point of the picture has a name for those who cannot see it, and says its figures when it has the focus."""
    points = visit.page.locator("#tradeoff .point")
    assert points.count() == 2
    label = points.first.get_attribute("aria-label")
    assert "WER" in label
    assert "RTF" in label
    points.first.focus()
    assert "RTF" in visit.page.locator("#tradeoff .tip").inner_text()
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("#tradeoff .tip").is_hidden()


def test_another_corpus_is_chosen(visit: Visit) -> None:
    """The choice of the corpus changes the figures of the models."""
    before = visit.page.locator("#models-table").inner_text()
    visit.page.select_option("#corpus", "tones+noise:0dB")
    assert visit.page.locator("#models-table").inner_text() != before


def test_curves_show_the_conditions(visit: Visit) -> None:
    """Every model has a line over the strengths, beside a point for the clean corpus."""
    assert visit.page.locator("#curves .curve").count() == 2
    assert visit.page.locator("#curves .point").count() == 2 * 3
    assert "noise:10dB" in visit.page.locator("#curves-table").inner_text()


def test_browser_sorts_and_filters(visit: Visit) -> None:
    """The utterance with the most errors is first; the filters leave what they say, and the count follows."""
    assert visit.rows()[0] == "tone-9"
    assert visit.count().startswith("22 of 22 utterances")
    visit.page.select_option("#browse-corpus", "tones")
    visit.page.select_option("#sort", "id")
    assert visit.rows()[1:3] == ["tone-0", "tone-1"]
    visit.page.select_option("#show", "failed")
    assert visit.rows() == ["tone-9"]
    assert "no memory left" in visit.page.locator("#detail").inner_text()
    visit.page.select_option("#show", "loops")
    assert visit.rows() == ["tone-7"]
    visit.page.select_option("#show", "")
    visit.page.fill("#find", "no such words")
    visit.page.get_by_text("No utterance is like that").wait_for()


def test_model_against_model(visit: Visit) -> None:
    """Of two models, the utterances that they wrote differently are shown, with the errors of each."""
    visit.page.select_option("#browse-corpus", "tones")
    visit.page.select_option("#left", BAD)
    visit.page.select_option("#right", GOOD)
    assert set(visit.rows()) == {"tone-1", "tone-3", "tone-5", "tone-7"}
    differences = visit.page.locator("#rows .row .number:nth-child(4)")
    assert [text[0] for text in differences.all_inner_texts()] == ["+", "+", "+", MINUS]
    visit.page.select_option("#sort", "better")
    assert [text[0] for text in differences.all_inner_texts()] == [MINUS, "+", "+", "+"]
    assert visit.rows()[0] == "tone-5"
    assert visit.page.locator("#detail .heard").count() == 2
    visit.page.select_option("#right", "")
    assert visit.page.locator("#sort").input_value() == "errors"


def test_alignment_is_marked(visit: Visit) -> None:
    """Words that are substituted, deleted and inserted differ by element, and by line as well as by colour."""
    visit.page.select_option("#left", BAD)
    visit.page.fill("#find", "tone-3")
    visit.page.wait_for_function("() => document.querySelectorAll('#rows .row').length === 3")
    block = visit.page.locator("#detail .heard").first
    assert block.locator(".pair.substitute").first.inner_text().split() == ["hat", "cat"]
    assert block.locator(".pair.delete del").inner_text() == "down"
    assert block.locator(".pair.insert ins").inner_text() == "today"
    marks = {
        "substitute": "outline-style",
        "delete > del": "text-decoration-line",
        "insert > ins": "text-decoration-line",
    }
    styles = [
        block.locator(f".pair.{kind}").first.evaluate("(e, of) => getComputedStyle(e)[of]", of)
        for kind, of in marks.items()
    ]
    assert styles == ["dashed", "line-through", "underline"]


def test_audio_plays(visit: Visit) -> None:
    """The player knows how long the utterance is and its time goes on; what is not there says why."""
    visit.page.fill("#find", "tone-3")
    player = visit.page.locator("#detail audio")
    player.wait_for()
    visit.page.wait_for_function("() => document.querySelector('#detail audio')?.readyState >= 2")
    assert player.evaluate("one => one.duration") == pytest.approx(2.0, abs=0.05)
    player.evaluate("one => { one.muted = true; }")
    visit.page.locator("#rows").focus()
    visit.page.keyboard.press("Space")
    visit.page.wait_for_function("() => document.querySelector('#detail audio').currentTime > 0.2")
    visit.page.fill("#find", "tone-9")
    visit.page.get_by_text("no sound of this one").first.wait_for()


def test_keys_are_enough(visit: Visit) -> None:
    """Without a mouse: a slash finds, Enter goes to the list, arrows move in it, and the choice is told to readers."""
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("tone")
    visit.page.wait_for_function("() => document.getElementById('count').textContent.startsWith('21 of 22')")
    visit.page.keyboard.press("Enter")
    for key, place in (("ArrowDown", 1), ("End", 20), ("ArrowUp", 19), ("Home", 0)):
        visit.page.keyboard.press(key)
        active = visit.page.locator("#rows").get_attribute("aria-activedescendant")
        assert active == f"row-{place}"
        chosen = visit.page.locator("#rows [aria-selected=true]")
        assert chosen.get_attribute("aria-posinset") == str(place + 1)
        assert visit.page.locator("#detail h3").inner_text() == chosen.locator(".id").inner_text()


def test_everything_has_a_name(visit: Visit) -> None:
    """Every control and picture says what it is to those who cannot see it."""
    nameless = visit.page.evaluate("""() => [...document.querySelectorAll("select, input, button, svg[role], audio")]
        .filter(one => !(one.labels?.[0]?.textContent || one.textContent || one.getAttribute("aria-label")).trim())
        .map(one => one.outerHTML.slice(0, 80))""")
    assert nameless == []


def test_a_confused_word_leads_to_its_utterances(visit: Visit) -> None:
    """A click on a confusion shows the utterances with it."""
    visit.page.select_option("#words-model", BAD)
    visit.page.locator("#words-lists").get_by_role("button", name="hat→cat").click()
    assert visit.page.locator("#find").input_value() == "hat"
    assert "tone-3" in visit.rows()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 400])
def test_it_fits_and_can_be_read(browser: Any, report: Path, scheme: str, width: int) -> None:
    """Wide or narrow, nothing reaches beyond the window; dark or light, the paper follows what the reader prefers."""
    for visit in visiting(browser, report, viewport={"width": width, "height": 800}, color_scheme=scheme):
        assert visit.page.evaluate("() => document.documentElement.scrollWidth") <= width
        paper = visit.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        lightness = sum(int(part) for part in paper.removeprefix("rgb(").removesuffix(")").split(",")) / 3
        assert (lightness > 200) == (scheme == "light")


def test_ten_thousand_utterances_stay_quick(browser: Any, long_report: Path) -> None:
    """Ten thousand utterances of two models open within ten seconds, filter within two, and few of them are drawn.

    The quickest of three times counts: what else runs on this machine can only add to it.
    """
    opened_s, filtered_s = zip(*(use(browser, long_report) for _ in range(3)), strict=True)
    assert min(opened_s) < 10
    assert min(filtered_s) < 2
    assert long_report.stat().st_size < 40 << 20


def use(browser: Any, long_report: Path) -> tuple[float, float]:
    """Open the page of ten thousand, filter and go to its end; give how long the first two took, in seconds."""
    began_s = time.perf_counter()
    for visit in visiting(browser, long_report):
        opened_s = time.perf_counter() - began_s
        assert visit.count().startswith("10,000 of 10,000")
        assert len(visit.rows()) < 60
        began_s = time.perf_counter()
        visit.page.fill("#find", "u-09999")
        visit.page.wait_for_function("() => document.querySelectorAll('#rows .row').length === 1")
        filtered_s = time.perf_counter() - began_s
        visit.page.fill("#find", "")
        visit.page.wait_for_function("() => document.getElementById('count').textContent.startsWith('10,000')")
        visit.page.locator("#rows").focus()
        visit.page.keyboard.press("End")
        assert visit.page.locator("#rows [aria-selected=true]").get_attribute("aria-posinset") == "10000"
        assert len(visit.rows()) < 60
    return opened_s, filtered_s


def publish(folder: Path, fill: Any) -> Path:
    store = Store(folder / "run")
    fill(store)
    store.close()
    with (folder / "table.txt").open("w") as table:
        return make_report(folder / "run", folder / "out", Console(file=table, width=100), listen=listen).page


def listen(record: Record) -> Audio:
    """Give a tone as long as the utterance."""
    if record.failure or record.corpus == "many":
        raise BadAudio("there is no sound of this one")
    place = np.arange(int(16_000 * record.audio_duration_s), dtype=np.float32) / 16_000
    return Audio(samples=np.sin(2 * np.pi * 330 * place).astype(np.float32) / 4)


def open_session(store: Store, corpora: dict[str, CorpusFacts]) -> int:
    session = Session(
        number=1,
        argv=("pytest",),
        started_at="2026-01-02T03:04:05+00:00",
        workers=1,
        seed=0,
        limit=None,
        models={m: ModelFacts(backend="faster-whisper", runtime_version="1.0", options={}) for m in (GOOD, BAD)},
    )
    environment = Environment(
        python="3.11.0",
        platform="Linux",
        machine="x86_64",
        processor="A processor",
        cores=2,
        memory_bytes=8 << 30,
        packages={},
        git_commit="0123abc",
        git_dirty=False,
    )
    return store.open_session(session, environment, corpora, ())


def corpus_facts(utterances: int, **more: Any) -> CorpusFacts:
    return CorpusFacts(revision="feedbeef", utterances=utterances, duration_s=60.0, languages=("en",), **more)


def heard(model: str, corpus: str, name: str, said: str, text: str | None, **more: Any) -> Record:
    failure = Failure(stage="transcribe", kind="RuntimeError", message="no memory left")
    outcome = {"failure": failure} if text is None else {"transcript": Transcript(text=text)}
    known = {"audio_duration_s": 2.0, "lane": "accuracy", "session": 1, "language": "en" if said else ""}
    return Record(model=model, corpus=corpus, utterance=name, reference=said, **{**known, **outcome, **more})


def fill_few(store: Store) -> None:
    """Write a run: eight tones, one that only looks like markup, one that fails, and the same under noise."""
    noise = {strength: Condition(kind="noise", strength=strength, unit="dB") for strength in (10.0, 0.0)}
    under = {
        f"tones+{condition}": corpus_facts(6, clean="tones", conditions=(condition,)) for condition in noise.values()
    }
    open_session(store, {"tones": corpus_facts(10), **under})
    said = "the hat sat down on the mat"
    wrong = {1: "the hat sat down on a mat", 3: "the cat sat on the mat today", 7: f"{said} {'thank you ' * 9}"}
    for model in (GOOD, BAD):
        for place in range(8):
            texts = {**wrong, 5: said} if model == BAD else {5: "the bat sat town on the mat"}
            facts = {"speaker": f"s{place % 3}", "facts": {"room": "ab"[place % 2]}}
            store.append(heard(model, "tones", f"tone-{place}", said, texts.get(place, said), **facts))
            store.append(
                heard(model, "tones", f"tone-{place}", said, said, lane="timing", transcribe_s=(0.2, 0.3 + place / 50))
            )
        store.append(heard(model, "tones", EVIL, EVIL, f"{EVIL} {EVIL}"))
        store.append(heard(model, "tones", "tone-9", f"{said} {said} {said} and {said}", None))
        for strength, condition in noise.items():
            for place in range(6):
                many = place % 3 + (2 if strength < 5 else 0) + (model == BAD)
                text = " ".join(["what"] * many + said.split()[many:])
                store.append(heard(model, f"tones+{condition}", f"tone-{place}", said, text, speaker=f"s{place % 3}"))
        store.append(ColdStart(model=model, session=1, total_s=3.21, peak_memory_bytes=300 << 20))
    store.close_session(1, "complete")


def fill_many(store: Store) -> None:
    """Write a run of ten thousand utterances, each with an error now and then."""
    open_session(store, {"many": corpus_facts(MANY)})
    chance, words = random.Random(7), STORY.split()
    for model in (GOOD, BAD):
        for place in range(MANY):
            said = [words[(place + step * 7) % len(words)] for step in range(8 + place % 9)]
            text = [word if chance.random() < 0.9 else "ice" for word in said]
            store.append(heard(model, "many", f"u-{place:05d}", " ".join(said), " ".join(text)))
    store.close_session(1, "complete")
