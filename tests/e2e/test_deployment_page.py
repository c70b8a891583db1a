"""The section on deployment as a reader meets it: in a browser, from disk, with nothing else at hand."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from visit import Visit, visiting

from modellab.records.environment import Environment
from modellab.records.record import Record
from modellab.records.run import CorpusFacts, ModelFacts, Session
from modellab.records.scenario import Partial, Stream
from modellab.records.store import Store
from modellab.reporting.pareto import front
from modellab.reporting.publish import make_report
from modellab.speech.transcript import Transcript

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FAST = "faster-whisper:whisper-tiny.en:cpu:int8"
SLOW = "transformers:whisper-tiny.en:cpu:float32"
WORSE = "openai-whisper:whisper-tiny.en:cpu:float32"
MODELS = {FAST: (0.1, 3), SLOW: (0.5, 1), WORSE: (0.8, 2)}  # the pace, and the words that are wrong in each utterance
SAID = "the hat sat down on the mat"
EVIL = "<img src=x onerror=document.title='owned'>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, performed_by: Callable[..., list[Any]]) -> Path:
    """A run of three models that performed every scenario, and one utterance that only looks like markup."""
    facts = [fact for model, (pace, _) in MODELS.items() for fact in performed_by(model, pace=pace)]
    stream = next(fact for fact in facts if isinstance(fact, Stream))
    shown = (Partial(at_s=60, heard_s=9, text=EVIL, agreed=0),)
    return publish(tmp_path_factory.mktemp("run"), [*facts, replace(stream, utterance=EVIL, partials=shown)])


@pytest.fixture
def visit(browser: Any, report: Path) -> Iterator[Visit]:
    yield from visiting(browser, report)


def publish(folder: Path, facts: list[Any]) -> Path:
    store = Store(folder / "run")
    session = Session(
        number=1, argv=("pytest",), started_at="2026-01-02T03:04:05+00:00", workers=1, seed=0, limit=None,
        models={m: ModelFacts(backend=m.partition(":")[0], runtime_version="1.0", options={}) for m in MODELS},
    )  # fmt: skip
    environment = Environment(
        python="3.11.0", platform="Linux", machine="x86_64", processor="A processor", cores=2,
        memory_bytes=8 << 30, packages={}, git_commit="0123abc", git_dirty=False,
    )  # fmt: skip
    facts_of = CorpusFacts(revision="feedbeef", utterances=3, duration_s=60.0, languages=("en",))
    store.open_session(session, environment, {"tones": facts_of}, ())
    for model, (_, wrong) in MODELS.items():
        for place in range(3):
            text = " ".join(["what"] * wrong + SAID.split()[wrong:])
            store.append(
                Record(
                    model=model,
                    corpus="tones",
                    utterance=f"tone-{place}",
                    audio_duration_s=2.0,
                    reference=SAID,
                    lane="accuracy",
                    session=1,
                    language="en",
                    transcript=Transcript(text=text),
                )
            )
    for fact in facts:
        store.append(fact)
    store.close_session(1, "complete")
    store.close()
    with (folder / "table.txt").open("w") as table:
        return make_report(folder / "run", folder / "out", Console(file=table, width=100)).page


def test_nothing_is_asked_for_whatever_is_chosen(visit: Visit, report: Path) -> None:
    """Every choice of the section can be made; the page asks for itself alone and raises no error."""
    for choice in ("#bought", "#deployed-model", "#stream"):
        for value in visit.page.locator(f"{choice} option").evaluate_all("all => all.map(one => one.value)"):
            visit.page.select_option(choice, value)
            assert visit.page.locator("#pareto > svg").count() == 1
    assert visit.asked == [report.as_uri()]
    assert visit.errors == []


def test_without_scenarios_there_is_no_section(browser: Any, tmp_path: Path) -> None:
    """A run in which nothing was performed has neither the section nor a way to it."""
    for visit in visiting(browser, publish(tmp_path, [])):
        assert visit.page.locator("#deployment").is_hidden()
        assert "Deployment" not in visit.page.locator("#sections").inner_text()
        assert visit.errors == []


def test_the_axis_can_be_changed(visit: Visit) -> None:
    """Another cost moves the points along x alone, and the axis says which it is and in what."""
    before = visit.places("pareto")
    assert set(before) == set(MODELS)
    visit.page.select_option("#bought", "memory")
    after = visit.places("pareto")
    assert all(before[model][1] == pytest.approx(after[model][1], abs=0.01) for model in MODELS)
    assert any(abs(before[model][0] - after[model][0]) > 20 for model in MODELS)
    assert "peak memory [MiB]" in visit.page.locator("#pareto > svg").text_content()
    assert visit.page.locator("#bought option").all_inner_texts() == ["real-time factor", "peak memory", "core-hours"]


def test_the_front_is_that_of_the_report(visit: Visit) -> None:
    """The browser's front is that of the pictures: the fast and the good model are on it, the third is not."""
    labels = visit.page.locator("#pareto .point").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    on_it = {label.split(",")[0] for label in labels if "on the front" in label}
    models = list(MODELS)
    assert on_it == {models[place] for place in front([MODELS[model] for model in models])} == {FAST, SLOW}
    assert visit.page.locator("#pareto .front").count() == 1


def test_a_model_is_hidden_and_shown_again(visit: Visit) -> None:
    """A click on a model takes it out of the pictures of all models, and the front is that of those that are left."""
    toggle = visit.page.locator("#deployed-models button").filter(has_text="transformers")
    toggle.click()
    assert toggle.get_attribute("aria-pressed") == "false"
    assert set(visit.places("pareto")) == {FAST, WORSE}
    assert visit.page.locator("#answered .curve").count() == 2
    labels = visit.page.locator("#pareto .point").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert all("on the front" in label for label in labels)
    for _ in range(2):
        visit.page.locator("#deployed-models button[aria-pressed=true]").first.click()
    assert "Nothing here has both figures" in visit.page.locator("#pareto").inner_text()
    toggle.click()
    assert set(visit.places("pareto")) == {SLOW}
    assert visit.errors == []


def test_points_tell_their_figures(visit: Visit) -> None:
    """A point says its figures, with their units, to whoever rests on it, by mouse or by key."""
    visit.page.locator("#pareto .point").first.focus()
    assert "real-time factor" in visit.page.locator("#pareto .tip").inner_text()
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("#pareto .tip").is_hidden()
    visit.page.locator("#throughput .point").first.hover()
    assert "s of audio per s" in visit.page.locator("#throughput .tip").inner_text()


def test_the_table_has_every_figure(visit: Visit) -> None:
    """Each model has a line with its latency, throughput, rate and stream; a click on a column sorts by it."""
    table = visit.page.locator("#deployment-table")
    heads = [text.split("\n")[0].strip() for text in table.locator("thead th").all_inner_texts()]
    assert {
        "p95",
        "Fixed cost",
        "Marginal RTF",
        "Best RTFx",
        "Rate kept",
        "First partial",
        "Core-hours an hour",
    } <= set(heads)
    assert table.locator("tbody tr").count() == 3
    table.get_by_role("button", name="Best RTFx").click()
    assert FAST in table.locator("tbody tr").first.locator(".model").get_attribute("title")


def test_one_model_is_chosen(visit: Visit) -> None:
    """Throughput, rates and streams are those of the model that is chosen."""
    assert visit.page.locator("#throughput .curve").count() == 3
    assert visit.page.locator("#throughput .point .hollow").count() == 3
    assert "confirmed" in visit.page.locator("#rates > svg").text_content()
    before = visit.page.locator("#rates > svg").text_content()
    visit.page.select_option("#deployed-model", SLOW)
    assert visit.page.locator("#rates > svg").text_content() != before


def test_a_stream_shows_what_was_agreed_on(visit: Visit) -> None:
    """Each partial has a row with its moment; words that may change differ by slant, and the final one has none."""
    visit.page.select_option("#deployed-model", FAST)
    visit.page.select_option("#stream", label="tone-0")
    rows = visit.page.locator("#timeline li")
    assert rows.count() == 1 + 9
    third = rows.nth(3)
    assert third.locator(".shown b").inner_text() == "the cat sat"
    assert third.locator(".shown i").inner_text() == "on the what"
    assert third.locator(".shown i").evaluate("one => getComputedStyle(one).fontStyle") == "italic"
    assert "3.30" in third.inner_text()
    assert rows.last.locator(".shown i").inner_text() == ""
    ends = rows.locator(".there").evaluate_all("all => all.map(one => parseFloat(one.style.left))")
    assert ends == sorted(ends)


def test_hostile_text_is_text(visit: Visit) -> None:
    """What looks like markup in an id or a partial is shown as it is."""
    visit.page.select_option("#deployed-model", FAST)
    visit.page.select_option("#stream", label=EVIL)
    assert EVIL in visit.page.locator("#timeline").inner_text()
    assert visit.page.locator("img").count() == 0
    assert visit.page.title().startswith("Model Lab")


def test_everything_has_a_name(visit: Visit) -> None:
    """Every control and picture of the section says what it is to those who cannot see it."""
    nameless = visit.page.evaluate(
        """() => [...document.querySelectorAll("#deployment :is(select, button, svg[role])")]
        .filter(one => !(one.labels?.[0]?.textContent || one.textContent || one.getAttribute("aria-label")).trim())
        .map(one => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 400])
def test_it_fits(browser: Any, report: Path, scheme: str, width: int) -> None:
    """Wide or narrow, nothing reaches beyond the window, and no axis runs out of its picture."""
    for visit in visiting(browser, report, viewport={"width": width, "height": 800}, color_scheme=scheme):
        assert visit.page.evaluate("() => document.documentElement.scrollWidth") <= width
        beyond = visit.page.evaluate(
            """() => [...document.querySelectorAll("#deployment .chart text")]
            .filter(one => one.getBoundingClientRect().right > innerWidth || one.getBoundingClientRect().left < 0)
            .map(one => one.textContent)"""
        )
        assert beyond == []
