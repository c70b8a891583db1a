"""A model on a server, on the bench beside others: it is heard as they are, and fails alone."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SERVER = """
[checkpoints.my-server]
architecture = "whisper"
languages = ["*"]
license = "MIT"
upstream = "a server of the test"
revision = "1"
options = {{ base_url = "{url}", model = "small", retries = 0, timeout_s = {timeout_s}, key_variable = "{variable}" }}
"""
VARIABLE, KEY = "MODELLAB_TEST_KEY", "sk-Quite-Secret-2"
TIMEOUT_S = 3.0  # waited in full once; what answers at all does so sooner
CHOSEN = ("--backend", "fake,remote", "--model", "toy,my-server")


@pytest.fixture
def served(lab, monkeypatch):
    """A bench with a server: what it says to each request is taken from `says`, in turn, over and over."""
    says, asked = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, said = says[len(asked) % len(says)]
            asked.append(self.headers["Authorization"])
            if status:
                self.send_response(status)
                self.send_header("Server-Timing", "total;dur=12.5")
                self.end_headers()
                self.wfile.write(said.encode())
            else:
                over.wait(60)

        def log_message(self, *words):
            pass

    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(VARIABLE, KEY)
    path = lab.root / "fixtures" / "models.toml"
    path.write_text(
        path.read_text()
        + SERVER.format(url=f"http://127.0.0.1:{server.server_port}/v1", variable=VARIABLE, timeout_s=TIMEOUT_S)
    )
    lab.says, lab.asked = says, asked
    yield lab
    over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def heard(lab, model):
    """Give the accuracy records of the corpus `speech` by one model."""
    return [f for f in lab.facts() if f.get("corpus") == "speech" and f["model"] == model and f["lane"] == "accuracy"]


def test_a_broken_server_fails_alone(served):
    """A server that fails, talks HTML and hangs leaves three failures, each with its reason; the fake passes."""
    served.says += [(500, "out of memory"), (200, "<html>Welcome</html>"), (0, "")]
    result = served.run("-m", "accuracy", "-k", "word_error_rate", "--batch-size", "1", *CHOSEN, "-rs")
    result.assert_outcomes(passed=1, failed=1, skipped=2, deselected=result.parseoutcomes()["deselected"])
    failures = [record["failure"] for record in heard(served, "remote:my-server:cpu:float32")]
    assert [(failure["stage"], failure["kind"]) for failure in failures] == [("transcribe", "RemoteFailed")] * 3
    said = " ".join(sorted(failure["message"] for failure in failures))
    assert "answered 500: 'out of memory'" in said
    assert "answered no JSON object: '<html>Welcome</html>'" in said
    assert "was silent for 3 s" in said
    assert all(record["transcript"] for record in heard(served, "fake:toy:cpu:float32"))


def test_a_server_is_heard_as_any_model_is(served):
    """Its words and options are in the run, its key in none of its files; pairs that mean nothing are skipped, said."""
    served.says.append((200, json.dumps({"text": "hello world"})))
    result = served.run("-m", "accuracy", "-k", "word_error_rate", *CHOSEN, "-rs")
    result.assert_outcomes(passed=2, skipped=2, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines_random(
        ["*'remote' wants options that toy does not state: base_url*", "*'fake' lacks: base_url, model*"]
    )
    records = heard(served, "remote:my-server:cpu:float32")
    assert [(r["transcript"]["text"], r["transcript"]["server_s"]) for r in records] == [("hello world", 0.0125)] * 3
    assert served.asked == [f"Bearer {KEY}"] * 3
    facts = served.description()["sessions"][0]["models"]["remote:my-server:cpu:float32"]
    assert (facts["options"]["model"], facts["options"]["key_variable"]) == ("small", VARIABLE)
    assert facts["options"]["weights"]["sha256"] is None
    written = [path for path in served.root.rglob("*") if path.is_file() and "runs" in path.parts]
    assert any(path.name == "records.jsonl" for path in written)
    assert not any(KEY.encode() in path.read_bytes() for path in written)


def test_nothing_of_a_server_is_recalled(served):
    """A second run asks the server again, for nobody knows whether it would write the same."""
    served.says.append((200, json.dumps({"text": "hello world"})))
    for _ in range(2):
        served.run("-m", "accuracy", "-k", "word_error_rate", "--backend", "remote", "--model", "my-server")
    assert len(served.asked) == 6
    assert not any(record["cached"] for record in heard(served, "remote:my-server:cpu:float32"))


def test_a_server_is_asked_by_one_process(served, monkeypatch):
    """No crew of processes is hired for a server, however much there is to hear: its requests keep to their bound."""
    monkeypatch.setattr("modellab.plugin.bench.WORTHWHILE_S", 0.0)
    monkeypatch.setattr("modellab.roster.usable_cores", lambda: 4)
    served.says.append((200, json.dumps({"text": "hello world"})))
    served.run("-m", "accuracy", "-k", "word_error_rate", "--backend", "remote", "--model", "my-server")
    assert len(heard(served, "remote:my-server:cpu:float32")) == len(served.asked) == 3
    assert not [fact for fact in served.facts() if fact["kind"] == "arrangement"]


def test_a_server_without_its_key_is_a_failure(served, monkeypatch):
    """Without the key in the environment no request is sent, and every utterance says which variable to set."""
    monkeypatch.delenv(VARIABLE)
    served.run("-m", "accuracy", "-k", "word_error_rate", "--backend", "remote", "--model", "my-server")
    failures = [record["failure"] for record in heard(served, "remote:my-server:cpu:float32")]
    assert {(failure["stage"], failure["kind"]) for failure in failures} == {("load", "BackendUnavailable")}
    assert VARIABLE in failures[0]["message"]
    assert served.asked == []
