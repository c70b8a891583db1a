"""Page: one utterance to listen to and to read, as a small HTML document that asks nothing of the network."""

import io
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from statistics import median

import soundfile

from modellab.reporting.accuracy import Judged
from modellab.reporting.figure import NOT_MEASURED, counts, percent, ratio, seconds
from modellab.scoring.wer import Edit
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

# No script: Allure shows attachments in a sandbox. Every kind of error differs by line and sign, not by colour alone.
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --paper: #fff; --line: #d1d9e0;
  --sub: #8a5a00; --sub-fill: #fff3d6; --del: #b3261e; --del-fill: #fde7e5; --ins: #0b5cad; --ins-fill: #e3effc; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9aa4ae; --paper: #0f1318; --line: #39424c;
  --sub: #f0c36d; --sub-fill: #3a2f14; --del: #ff9d94; --del-fill: #47201d; --ins: #8cc2ff; --ins-fill: #14304f; } }
body { margin: 0; padding: 12px 16px; background: var(--paper); color: var(--ink);
  font: 15px/1.4 system-ui, sans-serif; }
h1 { font-size: 16px; margin: 0 0 2px; overflow-wrap: anywhere; }
p { margin: 0 0 10px; color: var(--dim); overflow-wrap: anywhere; }
audio { display: block; width: 100%; max-width: 520px; margin: 10px 0; }
dl { display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 0 0 12px; }
dt { font-size: 12px; color: var(--dim); } dd { margin: 0; font-variant-numeric: tabular-nums; }
.words { display: flex; flex-wrap: wrap; row-gap: 10px; column-gap: 2px; padding: 10px 0;
  border: solid var(--line); border-width: 1px 0; }
.words.cer { column-gap: 0; }
.pair { display: inline-grid; grid-template-rows: auto auto; padding: 1px 4px; border-radius: 4px; }
.words.cer .pair { padding: 1px; }
.pair > * { text-decoration: none; white-space: pre; min-height: 1.4em; }
.gap { color: var(--dim); text-align: center; }
.substitute { background: var(--sub-fill); color: var(--sub); outline: 1px dashed; outline-offset: -1px; }
.substitute .heard { font-weight: 650; }
.delete { background: var(--del-fill); color: var(--del); } .delete del { text-decoration: line-through 2px; }
.insert { background: var(--ins-fill); color: var(--ins); }
.insert ins { text-decoration: underline 2px; text-underline-offset: 3px; font-weight: 650; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: center; margin: 10px 0; font-size: 13px;
  color: var(--dim); }
details { margin-top: 8px; font-size: 14px; } summary { cursor: pointer; color: var(--dim); }
.raw dt { margin-top: 6px; } .raw { display: block; } .raw dd { white-space: pre-wrap; overflow-wrap: anywhere; }
"""

_LEGEND = (
    '<div class="legend" aria-label="Legend"><span>upper line: reference, lower line: hypothesis</span>'
    '<span class="pair substitute">substituted: dashed box</span>'
    '<span class="pair delete"><del>deleted: struck out</del></span>'
    '<span class="pair insert"><ins>inserted: underlined</ins></span></div>'
)
_GAP = '<span class="gap" aria-hidden="true">·</span>'


def utterance_page(judged: Judged, audio: Audio | None, *, why_silent: str = "") -> str:
    """Give the page of one utterance: a player, its numbers, and reference against hypothesis.

    All text is escaped. `why_silent` stands where the player would, when there is no audio.
    """
    record, score = judged.record, judged.score
    title = escape(record.utterance)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{title}</h1><p>{escape(record.model)} on {escape(record.corpus)}</p>"
        f"{_player(audio) if audio else f'<p>{escape(why_silent)}</p>'}{_numbers(judged)}"
        f'<div class="words {escape(score.metric)}" lang="{escape(record.language)}">{_alignment(judged.edits)}</div>'
        f"{_LEGEND}{_raw(judged)}</body></html>"
    )


def encode_flac(audio: Audio) -> bytes:
    """Give the audio as FLAC: 16 kHz, mono, 16 bit, without loss against PCM and about half its size."""
    target = io.BytesIO()
    soundfile.write(target, audio.samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return target.getvalue()


def _player(audio: Audio) -> str:
    return (
        f'<audio controls preload="auto" src="data:audio/flac;base64,{b64encode(encode_flac(audio)).decode()}"></audio>'
    )


def _numbers(judged: Judged) -> str:
    record, score = judged.record, judged.score
    work_s = median(record.transcribe_s) if record.transcribe_s and record.batch_size == 1 else None
    numbers = {
        f"errors ({counts(score)})": f"{score.errors} of {score.reference_length}",
        f"{score.metric.upper()} ({score.normalizer})": percent(score.rate),
        "audio": seconds(record.audio_duration_s),
        "work": seconds(work_s),
        "RTF": NOT_MEASURED if work_s is None else ratio(work_s / record.audio_duration_s),
    }
    return f"<dl>{''.join(f'<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>' for k, v in numbers.items())}</dl>"


def _alignment(edits: tuple[Edit, ...]) -> str:
    return "".join(_pair(edit.operation, said, written) for edit in edits for said, written in _units(edit))


def _units(edit: Edit) -> Iterator[tuple[str, str]]:
    for place in range(max(len(edit.reference), len(edit.hypothesis))):
        yield (
            edit.reference[place] if place < len(edit.reference) else "",
            edit.hypothesis[place] if place < len(edit.hypothesis) else "",
        )


def _pair(operation: str, said: str, written: str) -> str:
    said_tag, written_tag = {
        "delete": ("del", "span"),
        "insert": ("span", "ins"),
        "substitute": ("del", "ins"),
    }.get(operation, ("span", "span"))
    upper = f'<{said_tag} class="said">{escape(said)}</{said_tag}>' if said else _GAP
    lower = f'<{written_tag} class="heard">{escape(written)}</{written_tag}>' if written else _GAP
    return f'<span class="pair {operation}">{upper}{lower}</span>'


def _raw(judged: Judged) -> str:
    record = judged.record
    heard = record.transcript.text if record.transcript else NOT_MEASURED
    return (
        "<details><summary>as written, before normalisation</summary>"
        f'<dl class="raw"><dt>reference</dt><dd>{escape(record.reference) or NOT_MEASURED}</dd>'
        f"<dt>hypothesis</dt><dd>{escape(heard)}</dd></dl></details>"
    )
