"""Pictures of scenarios at the tests that performed them, as Allure has them."""

import json

import pytest

SMALL = """
[performance]
calls = 6
turns = 16
step_s = 0.5
"""


@pytest.fixture
def results(lab):
    """Perform three claims of one model and give Allure's result of each by its title."""
    pytest.importorskip("allure", reason="no allure-pytest: pip install 'modellab[report]'")
    bench = lab.root / "fixtures" / "bench.toml"
    bench.write_text(bench.read_text().replace('["toy-en", "toy"]', '["toy-en"]') + SMALL)
    chosen = ("-m", "performance", "-k", "test_latency or test_growth or test_streaming", "--unbudgeted")
    lab.run(*chosen, "--threads", "1", "--alluredir", "results", apart=True)
    found = [json.loads(path.read_text()) for path in (lab.root / "results").glob("*-result.json")]
    return {result["name"]: result for result in found}


def test_a_claim_shows_what_was_performed(results, lab):
    """Latency, streams and memory have their PNGs, and each title says which model and corpus, also where it failed."""
    names = {
        title: {attached["name"]: attached["source"] for attached in result.get("attachments", ())}
        for title, result in results.items()
    }
    assert "single-stream" in names["latency: fake:toy-en:cpu:float32 on speech"]
    assert "memory" in names["growth: fake:toy-en:cpu:float32"]
    streams = names["streaming: fake:toy-en:cpu:float32 on speech"]
    assert any(name.startswith("stream of ") for name in streams)
    for attachments in names.values():
        for name, source in attachments.items():
            if name in {"single-stream", "memory"} or name.startswith("stream of "):
                assert (lab.root / "results" / source).read_bytes().startswith(b"\x89PNG")
