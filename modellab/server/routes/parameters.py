"""Parameters: what paths and queries take at more than one place, as tight as it can be said."""

from typing import Annotated

from fastapi import Path, Query

from modellab.server.library.cursor import MOST_CHARACTERS
from modellab.server.library.entry import RUN_ID

_WITHOUT_CONTROLS = r"^[^\x00-\x1f\x7f]*$"

RunId = Annotated[str, Path(pattern=RUN_ID, description="the id in run.json")]
Cursor = Annotated[str | None, Query(min_length=1, max_length=MOST_CHARACTERS, description="`next_cursor` of a page")]
Limit = Annotated[int, Query(ge=1, le=200)]
Name = Annotated[str, Query(min_length=1, max_length=500, pattern=_WITHOUT_CONTROLS)]
OptionalName = Annotated[str | None, Query(min_length=1, max_length=500, pattern=_WITHOUT_CONTROLS)]
