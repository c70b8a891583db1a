"""Write what a run of the gate said into one comment of its pull request, the same one each time.

Runs in a job of the default branch with a token that may write. The pull request is found by what GitHub says of the
run, never by what the run wrote. What the run wrote is in ARTIFACTS and is text of somebody else's: it is cut to a
length, and nothing in it becomes a link, an image, a tag or a mention. Needs nothing but Python.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

MARKER = "<!-- modellab gate -->"
MOST_BYTES = 60_000  # GitHub takes 65,536 characters
SUMMARIES = ("verdicts-confirm/summary.md", "verdicts-screen/summary.md")  # the later job's goes first
BOT = "github-actions[bot]"
LIMIT_S = 30
PAGE = 100
_UNSEEN = "\u200b"


class Api:
    """GitHub's API, of one repository."""

    def __init__(self, root: str, repository: str, token: str) -> None:
        if not root.startswith(("https://", "http://127.0.0.1:")):
            raise SystemExit(f"no API of GitHub: {root}")
        self._root = f"{root}/repos/{repository}"
        self._token = token

    def ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - it is JSON
        """Give the answer to one request."""
        request = Request(  # noqa: S310 - the root is checked above
            f"{self._root}/{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        with urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310
            return json.load(answer)

    def all(self, path: str, **query: str) -> Iterator[Any]:
        """Give the elements of a list, page by page."""
        number, found = 1, PAGE
        while found == PAGE:
            page = self.ask("GET", f"{path}?{urlencode({**query, 'per_page': PAGE, 'page': number})}")
            yield from page
            number, found = number + 1, len(page)


def main() -> None:
    """Comment on every open pull request whose head is what was measured; on none where it has moved on."""
    run = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))["workflow_run"]
    api = Api(os.environ["GITHUB_API_URL"], os.environ["GITHUB_REPOSITORY"], os.environ["GITHUB_TOKEN"])
    text = comment(run, read(Path(os.environ["ARTIFACTS"])))
    numbers = list(pull_requests(api, run))
    for number in numbers:
        known = next((each["id"] for each in api.all(f"issues/{number}/comments") if is_ours(each)), None)
        if known is None:
            api.ask("POST", f"issues/{number}/comments", {"body": text})
        else:
            api.ask("PATCH", f"issues/comments/{known}", {"body": text})
        say(f"commented on #{number}")
    if not numbers:
        say(f"no open pull request has {run['head_sha']} as its head: nothing to comment on")


def say(line: str) -> None:
    """Write a line to the log."""
    sys.stdout.write(f"{line}\n")


def pull_requests(api: Api, run: Mapping[str, Any]) -> Iterator[int]:
    """Give the numbers of the open pull requests from the branch that ran, and still are at the commit that ran."""
    if not run.get("head_repository") or not run.get("head_branch"):
        return  # the fork or the branch is gone
    head = f"{run['head_repository']['owner']['login']}:{run['head_branch']}"
    for each in api.all("pulls", state="open", head=head):
        if each["head"]["sha"] == run["head_sha"]:
            yield int(each["number"])


def is_ours(comment: Mapping[str, Any]) -> bool:
    """Whether a comment was written by this; anybody can write the marker, but not as the bot."""
    return comment["user"]["login"] == BOT and (comment["body"] or "").startswith(MARKER)


def read(folder: Path) -> str:
    """Give the summary of the last job that wrote one, as far as a comment could hold it; "" where none did."""
    for name in SUMMARIES:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as summary:
                return summary.read(MOST_BYTES).decode(errors="replace")
    return ""


def comment(run: Mapping[str, Any], summary: str) -> str:
    """Give the comment: first what GitHub says of the run, then what the run says of itself."""
    head = f"{MARKER}\nThe gate at {run['head_sha']}: **{run['conclusion']}**. [The run]({run['html_url']})"
    said = harmless(summary) or "It wrote no summary: its log says why."
    left = MOST_BYTES - len(head.encode()) - 100
    whole = said.encode()
    if len(whole) > left:
        said = whole[:left].decode(errors="ignore").rpartition("\n")[0]
        head += " has more than is shown here"
    return f"{head}\n\n{said}\n"


def harmless(text: str) -> str:
    """Give Markdown of somebody else's without its links, images, tags and mentions; tables and headings stay."""
    text = re.sub(r"\\([\[<])", r"\1", text)  # escaped already, and escaped anew below
    for character, shown in (("&", "&amp;"), ("[", "&#91;"), ("<", "&lt;")):
        text = text.replace(character, shown)
    text = re.sub(r"@|:(?=//)|www(?=\.)", lambda found: found[0] + _UNSEEN, text, flags=re.IGNORECASE)
    return re.sub(r"(?<!&)#(?=\d)", f"#{_UNSEEN}", text)


if __name__ == "__main__":
    main()
