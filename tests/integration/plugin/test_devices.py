"""Devices of a bench: `--device auto`, and what a run says of what its models ran on."""

import psutil
import pytest

CUDA = """
refuse = FakeBackend.refusal.__func__
def refusal(cls, device, compute_type):
    return None if (device, compute_type) == ("cuda", "float32") else refuse(cls, device, compute_type)
FakeBackend.refusal = classmethod(refusal)
"""


def test_auto_is_what_is_there(lab):
    """Where the runtime has no GPU, `auto` is the cpu, in ids, records and the run; naming both asks once."""
    lab.run("-m", "accuracy", "--model", "toy", "--device", "auto,cpu").assert_outcomes(passed=2, skipped=1)
    assert {fact["model"] for fact in lab.facts()} == {"fake:toy:cpu:float32"}
    assert set(lab.description()["sessions"][0]["models"]) == {"fake:toy:cpu:float32"}


def test_auto_prefers_a_gpu(lab):
    """Where the runtime can use a CUDA device, `auto` is that, and the run describes it as far as it is told."""
    lab.teach(CUDA)
    lab.run("-m", "accuracy", "--model", "toy", "--device", "auto").assert_outcomes(passed=2, skipped=1)
    assert {fact["model"] for fact in lab.facts()} == {"fake:toy:cuda:float32"}
    (found,) = lab.description()["environment"]["devices"]
    assert (found["device"]["name"], found["device"]["kind"]) == ("cuda", "cuda")


def test_workers_agree_with_their_controller(lab):
    """Under xdist every process takes `auto` for the same device."""
    lab.teach(CUDA)
    lab.run("-m", "accuracy", "--device", "auto", "-n", "2").assert_outcomes(passed=4, skipped=2)
    assert {fact["model"] for fact in lab.facts()} == {"fake:toy:cuda:float32", "fake:toy-en:cuda:float32"}


def test_a_compute_type_that_no_device_has_is_skipped(lab):
    """With `auto` and nothing that computes so, the model is skipped with the cpu's reason."""
    result = lab.run("-m", "accuracy", "--model", "toy", "--device", "auto", "--compute-type", "int8", "-rs")
    result.stdout.fnmatch_lines(["*SKIPPED*the fake has no int8 on cpu*"])


def test_a_run_describes_its_devices(lab):
    """The run holds the cpu once, with its memory, and why each sensor that is silent did not tell."""
    lab.run("-m", "accuracy")
    environment = lab.description()["environment"]
    (found,) = environment["devices"]
    assert found["device"]["name"] == "cpu"
    assert found["device"]["memory_bytes"] == psutil.virtual_memory().total
    assert found["power_limit_w"] is None
    assert all(environment["unreadable"].values())


@pytest.mark.parametrize("device", ["auto:1", "Auto"])
def test_auto_is_written_one_way(lab, device):
    """What only looks like `auto` is a usage error that names it."""
    result = lab.run("--device", device)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*no device '{device}'*auto*"])
