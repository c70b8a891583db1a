"""Corpora: which speech there is to be heard, by the definitions. No audio is read to tell it."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from modellab.corpora.registry import JOINED, CorpusDefinition
from modellab.errors import UnknownName
from modellab.server.definitions import Definitions
from modellab.server.http.access import needs
from modellab.server.http.problem import answers
from modellab.server.service import Served
from modellab.sources.cache import is_verified

router = APIRouter(prefix="/api/corpora", dependencies=[needs("read")], tags=["corpora"])


class CorpusBody(BaseModel):
    """A corpus.

    `language` is empty where it differs by utterance, or nobody speaks. `size_bytes` is that of its files, None where
    one of them is not known; `cached` says whether they are here, and need not be fetched. Sounds that are made need
    no files.
    """

    name: str
    description: str
    license: str
    language: str
    reader: str
    joins: str | None
    files: int
    size_bytes: int | None
    cached: bool


class CorporaBody(BaseModel):
    """All corpora that are defined, by name."""

    corpora: list[CorpusBody]


@router.get("", responses=answers())
def list_corpora(service: Served) -> CorporaBody:
    """List the corpora."""
    known = service.definitions.corpora.definitions
    return CorporaBody(corpora=[_body(service.definitions, known[name]) for name in sorted(known)])


@router.get("/{name}", responses=answers(404))
def read_corpus(service: Served, name: Annotated[str, Path(min_length=1, max_length=200)]) -> CorpusBody:
    """Tell of one corpus."""
    known = service.definitions.corpora.definitions
    if name not in known:
        raise UnknownName("corpus", name, known)
    return _body(service.definitions, known[name])


def _body(definitions: Definitions, corpus: CorpusDefinition) -> CorpusBody:
    sizes = [file.size_bytes for file in _speech(definitions, corpus).fileset.files]
    known = [size for size in sizes if size is not None]
    return CorpusBody(
        name=corpus.name,
        description=corpus.description,
        license=corpus.license,
        language=corpus.language,
        reader=corpus.reader,
        joins=corpus.joins or None,
        files=len(sizes),
        size_bytes=sum(known) if len(known) == len(sizes) else None,
        cached=_is_here(definitions, corpus),
    )


def _is_here(definitions: Definitions, corpus: CorpusDefinition) -> bool:
    speech = _speech(definitions, corpus)
    files = speech.fileset
    return not files.files or is_verified(files, definitions.cache / "corpora" / speech.name)


def _speech(definitions: Definitions, corpus: CorpusDefinition) -> CorpusDefinition:
    """Give the corpus that has the files: one that is joined is made of another's."""
    return definitions.corpora.definitions[corpus.joins] if corpus.reader == JOINED else corpus
