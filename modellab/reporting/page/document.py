"""Document: the page as one file. What a model or a corpus says is data in it, never markup and never script."""

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files

from modellab.reporting.curve import curves
from modellab.reporting.page.clip import MEDIA_TYPE, Clips, Listen, collect_clips
from modellab.reporting.page.content import Object, confused, curved, head, rescored, rows, sliced, styled
from modellab.reporting.page.deployed import deployed
from modellab.reporting.page.finding import Records, find
from modellab.reporting.page.listing import Listing
from modellab.reporting.performed import Performed
from modellab.reporting.rescore import rescore
from modellab.reporting.summary import Report

_SLOT = re.compile(r"\{\{(\w+)\}\}")
# A script ends at `</`, and begins another within itself at `<!--`: no `<` stands in the data. The two separators
# end a line of script where they stand as they are.
_SAFE = str.maketrans({"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_LEVEL = 6


def document(
    report: Report,
    records: Records,
    listen: Listen | None,
    audio_budget_bytes: int,
    *,
    performed: Performed | None = None,
    price: tuple[str, float] | None = None,
) -> str:
    """Give the page of a run as HTML: its figures, every utterance, and the sound of the worst.

    Args:
        report: of the run.
        records: gives the records of the run, from the start each time it is called.
        listen: gives the audio of a record and raises BadAudio where there is none; without it the page is silent.
        audio_budget_bytes: how much of the page may be audio.
        performed: the facts of scenarios; without them no call and no word of a stream is drawn.
        price: a currency, and what an hour of the machine costs in it; without it no price is told.
    """
    found = find(records)
    clips = _clips(found.listing, listen, audio_budget_bytes)
    content: Object = {
        "head": head(report),
        "rows": rows(report),
        "curves": curved(curves(report)),
        "deployed": deployed(report, performed or Performed(), price),
        "slices": sliced(found.slicings),
        "confusions": confused(found.confusions),
        "normalizers": rescored(rescore(records())),
        "styles": styled(found.styles),
    }
    return fill(f"Model Lab {report.run.id}", embed(content), pack(_listed(found.listing, clips)), clips.clips)


def fill(title: str, content: str, listing: str, clips: Mapping[int, str]) -> str:
    """Give the template with its style, its script, and the data, all of them inline.

    The policy lets nothing but this style and this script in, and the page ask for nothing.
    """
    style, script = _part("report.css"), "\n".join(map(_part, ("deployment.js", "report.js")))
    parts = {
        "title": escape(title),
        "policy": f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; media-src data:; "
        "base-uri 'none'; form-action 'none'",
        "style": style,
        "content": content,
        "listing": listing,
        "clips": "\n".join(
            f'<script type="text/plain" id="clip-{place}">{clip}</script>' for place, clip in clips.items()
        ),
        "script": script,
    }
    return _SLOT.sub(lambda slot: parts[slot[1]], _part("report.html"))


def embed(value: object) -> str:
    """Give a value as JSON that can stand in a script element."""
    return _json(value).translate(_SAFE)


def pack(value: object) -> str:
    """Give a value as JSON, compressed, in letters that can stand in a script element: a tenth of its size."""
    return b64encode(gzip.compress(_json(value).encode(errors="backslashreplace"), _LEVEL, mtime=0)).decode()


def _listed(listing: Listing, clips: Clips) -> Object:
    models = sorted({model for by_model in listing.heard.values() for model in by_model})
    corpora = sorted({heard.corpus for heard in listing.heard})
    return {
        "models": models,
        "corpora": corpora,
        "rows": tuple(listing.rows(models, corpora)),
        "left_out": listing.left_out,
        "media_type": MEDIA_TYPE,
        "silent": clips.reasons,
    }


def _clips(listing: Listing, listen: Listen | None, budget_bytes: int) -> Clips:
    return Clips() if listen is None else collect_clips(listing.worst_first(), listen, budget_bytes)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _part(name: str) -> str:
    return files("modellab.reporting.page").joinpath(name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"
