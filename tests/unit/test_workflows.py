"""Workflows and the action: what they may do, and what their scripts do where a shell can run them."""

import json
import os
import re
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from modellab.gating.dossier import Dossier, Verdicts
from modellab.gating.summary import summary
from modellab.verdicts.decision import Decision
from modellab.verdicts.finding import Finding, Gate

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".github"
ACTION = HOME / "actions" / "gate"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in sorted((HOME / "workflows").glob("*.yml"))}
GATE_ACTION = yaml.safe_load((ACTION / "action.yml").read_text())
JOBS = {f"{file} {name}": job for file, document in WORKFLOWS.items() for name, job in document["jobs"].items()}
STEPS = [(where, step) for where, job in JOBS.items() for step in job["steps"]]
STEPS += [("action", step) for step in GATE_ACTION["runs"]["steps"]]
SCRIPTS = [(where, step) for where, step in STEPS if "run" in step]
EACH_WORKFLOW = pytest.mark.parametrize("file", WORKFLOWS)
EACH_JOB = pytest.mark.parametrize("name", JOBS)
EACH_SCRIPT = pytest.mark.parametrize(("where", "step"), SCRIPTS, ids=[f"{w}: {s['run'][:30]}" for w, s in SCRIPTS])
GATE = Gate(metric="rtf", model="tiny", corpus="librivox")


@EACH_WORKFLOW
def test_a_workflow_may_write_nothing(file):
    """The token of a workflow reads at most; whatever writes is a job's own."""
    permissions = WORKFLOWS[file]["permissions"]
    assert isinstance(permissions, dict)
    assert set(permissions.values()) <= {"read"}
    assert "concurrency" in WORKFLOWS[file]
    assert "pull_request_target" not in WORKFLOWS[file][True], "`on` reads as true"


def test_what_may_write_is_known():
    """Two jobs may write: one publishes pages, one comments."""
    writing = {
        name: {key for key, level in job.get("permissions", {}).items() if level == "write"}
        for name, job in JOBS.items()
    }
    assert {name: may for name, may in writing.items() if may} == {
        "bench.yml publish": {"pages", "id-token"},
        "gate-comment.yml comment": {"pull-requests"},
    }


@EACH_JOB
def test_a_job_ends(name):
    """Each job has a limit of its own: GitHub's is six hours."""
    assert JOBS[name]["timeout-minutes"] <= 90


@pytest.mark.parametrize(("where", "step"), STEPS)
def test_actions_are_of_github_or_here(where, step):
    """Each action is this repository's, or GitHub's own at one major version; a checkout leaves no token behind."""
    used = step.get("uses", "./")
    assert re.fullmatch(r"actions/[a-z-]+(/[a-z]+)?@v\d+", used) or used.startswith("./"), f"{where}: {used}"
    if used.startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] is False


def test_one_version_of_an_action():
    """An action that is used twice is used at one version."""
    used = {step["uses"] for _, step in STEPS if "@" in step.get("uses", "")}
    names = ["/".join(each.partition("@")[0].split("/")[:2]) for each in used]
    parts = {"actions/cache": 3}  # itself, /restore and /save
    assert {name: names.count(name) for name in names} == {name: parts.get(name, 1) for name in names}


@EACH_SCRIPT
def test_nothing_is_put_into_a_script(where, step):
    """A script takes values from its environment: what stands in an expression would be run."""
    assert "${{" not in step["run"], where
    assert "${{" not in str(step.get("shell", ""))


@EACH_SCRIPT
def test_scripts_can_be_read(where, step):
    """Bash reads each script to its end."""
    subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)


@pytest.mark.parametrize("path", sorted(ACTION.glob("*.sh")), ids=lambda path: path.name)
def test_the_actions_scripts_can_be_read(path):
    """Bash reads them to their end, and stops at the first command that fails."""
    subprocess.run(["bash", "-n", path], check=True)
    assert "set -euo pipefail" in path.read_text()
    assert path.stat().st_mode & stat.S_IXUSR


def test_what_comments_runs_nothing_of_the_pull_request():
    """The job with the token that writes checks out what main has, and passes nothing but places and its token."""
    (job,) = WORKFLOWS["gate-comment.yml"]["jobs"].values()
    assert WORKFLOWS["gate-comment.yml"]["permissions"] == {}
    checkout, download, script = job["steps"]
    assert "ref" not in checkout["with"]
    assert "repository" not in checkout["with"]
    assert download["with"]["path"].startswith("${{ runner.temp }}/")
    assert set(script["env"].values()) == {"${{ github.token }}", "${{ runner.temp }}/untrusted"}
    assert script["run"] == "python3 .github/scripts/comment.py"


def test_what_the_workflow_asks_of_the_action_is_there():
    """Every input that is given and every output that is read is one of the action's."""
    gate = WORKFLOWS["gate.yml"]
    read = set(re.findall(r"steps\.gate\.outputs\.(\w+)", json.dumps(gate)))
    assert read <= set(GATE_ACTION["outputs"])
    calls = [step for job in gate["jobs"].values() for step in job["steps"] if step.get("uses", "").startswith("./")]
    assert len(calls) == 3
    names = [call["with"]["name"] for call in calls]
    assert len(set(names)) == 3, "evidence of one would be taken for another's"
    for call in calls:
        assert set(call["with"]) <= set(GATE_ACTION["inputs"])
        assert (call["with"].get("screen") == "true") == (call["with"]["name"] != "confirm")


def test_only_a_suspicion_is_confirmed():
    """The second job runs where the first one suspects something, with other draws, and nothing else fails for it."""
    jobs = WORKFLOWS["gate.yml"]["jobs"]
    assert jobs["confirm"]["if"] == "${{ needs.screen.outputs.decision == 'regressed' }}"
    (call,) = [step for step in jobs["confirm"]["steps"] if step.get("id") == "gate"]
    assert call["with"]["only"].endswith("verdicts.json")
    assert "--seed" in call["with"]["options"]


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Give a way to run a script as the action does: `modellab gate` ends with a code and may leave verdicts."""
    tools, folder = tmp_path / "tools", tmp_path / "evidence of it"
    tools.mkdir()
    fakes = {
        "python": f'exec {sys.executable} "$@"\n',
        "modellab": 'printf "%s\\n" "$@" > "$LOG"\necho "$MODELLAB_SCREENING" > "$LOG.screening"\n'
        '[[ -z ${LEFT:-} ]] || mkdir -p "$FOLDER/abc"\n'
        # a real one takes longer than a file system's clock takes for a tick
        'until [[ -z ${LEFT:-} || $(find "$FOLDER" -name verdicts.json -newer "$LOG.screening") ]]; do\n'
        '  cp "$LEFT"/* "$FOLDER/abc"\ndone\nexit "$CODE"\n',
    }
    for name, body in fakes.items():
        (tools / name).write_text(f"#!/usr/bin/env bash\n{body}")
        (tools / name).chmod(0o755)

    def run(code=0, decision=None, **inputs):
        left = tmp_path / "left"
        if decision:
            found = Finding(gate=GATE, decision=decision, estimate=0.1)
            verdicts = Verdicts(
                id="abc",
                created_at="2026-11-23T00:00:00+00:00",
                base="a",
                candidate="b",
                command="modellab gate",
                expected=(GATE.name,),
                findings=(found,),
                minutes=1.0,
                machine="m",
            )
            Dossier(left).conclude(verdicts)
            (left / "summary.md").write_text(summary(verdicts))
        files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "LOG")}
        for path in files.values():
            path.write_text("")
        known = {"BASE": "main", "OPTIONS": "", "ALPHA": "", "ONLY": "", "SCREEN": "false", "FIXTURES": "fixtures"}
        known |= {"FOLDER": str(folder), "CODE": str(code), **inputs, **{k: str(v) for k, v in files.items()}}
        known |= {"LEFT": str(left)} if decision else {}
        env = {**os.environ, **known, "PATH": f"{tools}:{os.environ['PATH']}"}
        ended = subprocess.run(
            ["bash", ACTION / "gate.sh"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        outputs = dict(line.partition("=")[::2] for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        said = files["GITHUB_STEP_SUMMARY"].read_text()
        return ended.returncode, outputs, said, files["LOG"].read_text().splitlines()

    return run


@pytest.mark.parametrize(
    ("decision", "code", "screen", "ends"),
    [
        (Decision.PASS, 0, "true", 0),
        (Decision.INFORMS, 0, "false", 0),
        (Decision.INCONCLUSIVE, 0, "false", 0),
        (Decision.INCONCLUSIVE, 2, "true", 2),
        (Decision.REGRESSED, 1, "false", 1),
        (Decision.REGRESSED, 1, "true", 0),
        (Decision.ERROR, 3, "true", 3),
    ],
)
def test_the_action_says_what_it_came_to(shell, decision, code, screen, ends):
    """Its outputs name the decision and where it stands; a suspicion alone is forgiven by a screening."""
    returned, outputs, said, _ = shell(code, decision, SCREEN=screen)
    assert (returned, outputs["decision"]) == (ends, str(decision))
    assert outputs["verdicts"] == f"{outputs['folder']}/abc/verdicts.json"
    assert outputs["summary"] == f"{outputs['folder']}/abc/summary.md"
    assert f"Model Lab gate: {decision.upper()}" in said
    assert ("has to confirm it" in said) == (screen == "true" and decision is Decision.REGRESSED)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 139])
def test_no_verdict_is_an_error(shell, code):
    """Whatever the command ends with, where it left no verdicts nothing was proven."""
    for screen in ("true", "false"):
        returned, outputs, said, _ = shell(code, SCREEN=screen)
        assert (returned, outputs["decision"], outputs["verdicts"]) == (3, "error", "")
        assert "Nothing was judged" in said


def test_a_verdict_of_an_earlier_run_is_none(shell):
    """What was left by a run before is not taken for what this one found."""
    assert shell(0, Decision.PASS)[0] == 0
    returned, outputs, _, _ = shell(0)
    assert (returned, outputs["decision"]) == (3, "error")


@pytest.mark.parametrize(("decision", "code"), [(Decision.PASS, 1), (Decision.REGRESSED, 0), (Decision.PASS, 137)])
def test_a_verdict_against_its_code_is_an_error(shell, decision, code):
    """Where the verdicts say one thing and the code another, neither is believed."""
    assert shell(code, decision, SCREEN="true")[:2][0] == 3


def test_inputs_are_words_and_no_commands(shell, tmp_path):
    """Options are split at blanks and nothing else is made of them; empty inputs are not passed on."""
    arguments = shell(0, Decision.PASS, OPTIONS="--seed 1 $(touch x) *", BASE="-x; touch y", ALPHA="0.02")[3]
    folder = str(tmp_path / "evidence of it")
    assert arguments[:6] == [
        "--fixtures",
        "fixtures",
        "gate",
        "--base=-x; touch y",
        f"--output={folder}",
        "--alpha=0.02",
    ]
    assert arguments[6:] == ["--seed", "1", "$(touch", "x)", "*", "--", f"--junitxml={folder}/junit.xml"]
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "y").exists()
    assert "--only=v.json" in shell(0, Decision.PASS, ONLY="v.json")[3]


@pytest.mark.parametrize("screen", ["yes", "", "True"])
def test_a_switch_that_is_none_is_refused(shell, screen):
    """A misspelt switch measures nothing rather than forgiving or failing by chance."""
    returned, _, _, arguments = shell(0, Decision.PASS, SCREEN=screen)
    assert (returned, arguments) == (3, [])


def test_what_is_too_long_is_cut(shell, tmp_path):
    """Of a summary that GitHub would drop, the beginning is shown."""
    (tmp_path / "left").mkdir()
    (tmp_path / "tools" / "cp").write_text(
        '#!/usr/bin/env bash\n/bin/cp "$@"\nyes x | head -c 3000000 > "${@: -1}/summary.md"\n'
    )
    (tmp_path / "tools" / "cp").chmod(0o755)
    returned, _, said, _ = shell(0, Decision.PASS)
    assert (returned, len(said)) == (0, 1_000_000)


def script(name):
    """Give the one script of a step of this name."""
    (found,) = [step["run"] for _, step in SCRIPTS if step.get("name") == name]
    return found


def test_the_history_is_published_where_there_is_one(tmp_path):
    """Without a history nothing is drawn and nothing fails; with one it is drawn beside the report."""
    program = tmp_path / ".venv" / "bin" / "modellab"
    program.parent.mkdir(parents=True)
    program.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@" > log\n')
    program.chmod(0o755)
    gates = tmp_path / "of gates"
    gates.mkdir()
    command = ["bash", "-e", "-c", script("Publish the history of gates beside the report")]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "GATES": str(gates)}, check=True)
    assert not (tmp_path / "log").exists()
    (gates / "history.jsonl").touch()
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "GATES": str(gates)}, check=True)
    assert (tmp_path / "log").read_text().splitlines()[:3] == ["history", "--gates", str(gates)]


def test_what_is_installed_lies_outside(tmp_path):
    """The environment is made where the runner keeps what passes, with what is pinned, and found by later steps."""
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = '#!/usr/bin/env bash\nprintf \'%s\\n\' "$@" >> "$LOG"\n'
    (tools / "python").write_text(f'{fake}mkdir -p "$3/bin" && cp "$0" "$3/bin/python"\n')
    (tools / "python").chmod(0o755)
    (tmp_path / "constraints.txt").touch()
    env = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_PATH": str(tmp_path / "path"),
        "LOG": str(tmp_path / "log"),
    }
    install = ["bash", ACTION / "install.sh"]
    subprocess.run(install, cwd=tmp_path, env={**env, "INSTALL": ".[a,b] other"}, check=True)
    assert (tmp_path / "path").read_text() == f"{tmp_path}/temp/modellab/bin\n"
    assert (tmp_path / "log").read_text().splitlines()[-4:] == ["-c", "constraints.txt", ".[a,b]", "other"]
    assert subprocess.run(install, cwd=tmp_path, env={**env, "INSTALL": ""}, check=False).returncode == 2


class GitHub(BaseHTTPRequestHandler):
    """What there is of GitHub's API, with pull requests and comments of its own."""

    pulls = ()
    comments = ()
    asked = ()

    def _answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        """Give a page of a list."""
        type(self).asked = (*self.asked, ("GET", self.path, None))
        number = int(re.search(r"page=(\d+)$", self.path)[1])
        known = self.comments if "/comments" in self.path else self.pulls
        self._answer(known[100 * (number - 1) : 100 * number])

    def do_POST(self):
        """Keep what was written."""
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked = (*self.asked, (self.command, self.path, said["body"]))
        self._answer({})

    do_PATCH = do_POST  # noqa: N815

    def log_message(self, *_):
        """Say nothing."""


RUN = {
    "head_sha": "abc123",
    "head_branch": "fix; $(touch x) & more",
    "head_repository": {"owner": {"login": "someone"}},
    "conclusion": "failure",
    "html_url": "https://github.example/run/1",
    "pull_requests": [],
}


@pytest.fixture
def comment(tmp_path):
    """Give a way to run the script that comments, against an API of its own; it gives what was asked of that."""

    def run(summaries=None, pulls=(), comments=(), **changed):
        handler = type("One", (GitHub,), {"pulls": pulls, "comments": comments, "asked": ()})
        server = HTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        artifacts = tmp_path / "untrusted"
        for job, text in (summaries or {}).items():
            (artifacts / f"verdicts-{job}").mkdir(parents=True)
            (artifacts / f"verdicts-{job}" / "summary.md").write_bytes(text.encode())
        (tmp_path / "event.json").write_text(json.dumps({"workflow_run": {**RUN, **changed}}))
        env = {
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
            "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
            "GITHUB_REPOSITORY": "me/lab",
            "GITHUB_TOKEN": "none",
            "ARTIFACTS": str(artifacts),
            "PATH": os.environ["PATH"],
        }
        try:
            program = [sys.executable, "-I", HOME / "scripts" / "comment.py"]
            subprocess.run(program, env=env, cwd=tmp_path, check=True, capture_output=True)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
        return [each for each in handler.asked if each[0] != "GET"], handler.asked

    return run


PULL = {"number": 7, "head": {"sha": "abc123"}}
OLD = {"number": 8, "head": {"sha": "older"}}


def test_the_pull_request_is_found_by_its_head(comment):
    """Its number is what GitHub gives for owner, branch and commit; one that has moved on is left alone."""
    ((method, path, body),), asked = comment({"screen": "# said"}, [OLD, PULL])
    assert (method, path) == ("POST", "/repos/me/lab/issues/7/comments")
    assert "state=open&head=someone%3Afix%3B+%24%28touch+x%29+%26+more&" in asked[0][1]
    assert body.startswith("<!-- modellab gate -->\nThe gate at abc123: **failure**.")
    assert body.endswith("# said\n")
    assert comment({}, [OLD])[0] == []
    assert comment({}, [PULL], head_repository=None)[0] == []


def test_one_comment_is_kept(comment):
    """The bot's own comment is written anew, on whatever page it is; anybody else's with the marker is not."""
    user, bot = {"login": "someone"}, {"login": "github-actions[bot]"}
    ours = {"id": 55, "user": bot, "body": "<!-- modellab gate -->\nold"}
    others = [{"id": 1, "user": user, "body": ours["body"]}, {"id": 2, "user": bot, "body": "another's"}]
    others += [{"id": n, "user": user, "body": None} for n in range(3, 130)]
    ((method, path, _),), _ = comment({"screen": "x"}, [PULL], [*others, ours])
    assert (method, path) == ("PATCH", "/repos/me/lab/issues/comments/55")


def test_the_later_job_has_the_word(comment):
    """Where a suspicion was measured again, that is what is shown; where nothing was written, it says so."""
    ((_, _, body),), _ = comment({"screen": "suspected", "confirm": "confirmed"}, [PULL])
    assert "confirmed" in body
    assert "suspected" not in body


def test_no_summary_is_said(comment):
    """A run that left nothing has a comment that sends to its log."""
    ((_, _, body),), _ = comment({}, [PULL])
    assert "It wrote no summary" in body


def test_what_a_run_wrote_is_made_harmless(comment):
    """No link, image, tag, comment or mention is left, however it was escaped; headings, tables and bounds are."""
    text = "## ❌ a\n| \\[+1, +2\\] | ![i](//e.example/i.png) <img a> \\\\<b> @all [x](https&#58;//e) #12 www.e"
    ((_, _, body),), _ = comment({"screen": text}, [PULL])
    said = body.split("\n\n", 1)[1]
    assert said.startswith("## ❌ a\n| &#91;+1, +2\\] | !&#91;i]")
    assert not re.search(r"[\[<]|@(?!\u200b)|://|(?<!&)#\d|www\.", said)
    assert "https&amp;#" in said


def test_a_long_summary_is_cut_at_a_line(comment):
    """A comment is no longer than GitHub takes, ends with a whole line, and says that there is more."""
    ((_, _, body),), _ = comment({"screen": "ü<[@ whole\n" * 20_000}, [PULL])
    assert 50_000 < len(body.encode()) <= 60_000
    assert body.endswith(" whole\n")
    assert "more than is shown" in body


def test_a_link_is_not_followed(comment, tmp_path):
    """A summary that is a link to some other file of the machine is not read."""
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "untrusted" / "verdicts-confirm"
    folder.mkdir(parents=True)
    (folder / "summary.md").symlink_to(tmp_path / "secret")
    ((_, _, body),), _ = comment({}, [PULL])
    assert "secret" not in body
