"""The service keeps its own word: whatever is asked, it answers with what its OpenAPI document says it may."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounds
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.failures import FailureGroup
from small_bench import write_bench

from modellab.server.app import create_app
from modellab.server.settings import PoolSettings, RateSettings, ServerSettings

EXAMPLES = 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """Give an application over a small bench."""
    folder = tmp_path_factory.mktemp("schema")
    (folder / "runs").mkdir()
    settings = ServerSettings(
        _env_file=None,
        fixtures=write_bench(folder),
        runs=folder / "runs",
        data=folder / "data",
        cache_dir=folder / "cache",
        benchmarks=folder / "benchmarks",
        pool=PoolSettings(replicas=1),
        rate=RateSettings(per_minute=1_000_000),
        allowed_hosts=("localhost", "127.0.0.1", "testserver"),
    )
    app = create_app(settings)
    yield app
    app.state.service.database.close()


def test_no_answer_is_a_surprise(app: FastAPI) -> None:
    """No request leads to an error of the server, or to a status, a type or a body that is not documented."""
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    faults = [fault for found in schema.get_all_operations() if (fault := _fault(found.ok()))]
    assert not faults, "\n\n".join(faults)


def test_every_operation_has_a_name_of_its_own(app: FastAPI) -> None:
    """What is made of the document calls operations and bodies by names that people would have given them."""
    document = app.openapi()
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert "list_runs" in names
    assert len(names) == len(set(names)) >= 29
    odd = [
        name for name in (*names, *document["components"]["schemas"]) if not re.fullmatch(r"[A-Za-z]+(_[a-z]+)*", name)
    ]
    assert not odd, "two of a name, told apart by their modules"


def _fault(operation: Any) -> str:
    """Give what is wrong with the answers of one operation; nothing where nothing is."""

    @bounds(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def answers_as_it_says(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    try:
        answers_as_it_says()
    except FailureGroup as error:
        return f"{operation.label}: {error} {[str(one) for one in error.exceptions]}"
    return ""
