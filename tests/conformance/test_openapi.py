"""The OpenAPI document against the server: nothing it does is undocumented, and nothing fails."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from unittest import SkipTest

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks

HELD = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)
SLOW_CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def document_of(site) -> dict:
    with urllib.request.urlopen(f"{site.url}/openapi.json", timeout=60) as answer:
        return json.load(answer)


def try_out(site, num_requests: int) -> int:
    """Send generated requests, right and wrong ones, to every route; returns how many routes."""
    schema = schemathesis.openapi.from_dict(document_of(site))
    schema.config.update(base_url=site.url)
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation in operations:
        # schemathesis 4.32.5 stumbles over wrong forms with files here, not in the suite below
        takes_files = "multipart/form-data" in operation.get_request_payload_content_types()
        can_be_wrong = operation.query or (operation.body and not takes_files)
        modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for mode in modes if can_be_wrong else modes[:1]:

            @settings(max_examples=num_requests, suppress_health_check=SLOW_CHECKS)
            @given(case=operation.as_strategy(generation_mode=mode))
            def hold(case):
                case.call_and_validate(checks=HELD, timeout=60)

            with contextlib.suppress(Unsatisfiable, SkipTest):  # nothing can be wrong about some
                hold()
    return len(operations)


def test_some_requests_have_documented_answers(site):
    assert try_out(site, 1) > 20


@pytest.mark.slow
def test_many_requests_have_documented_answers(site):
    try_out(site, 60)


@pytest.mark.slow
def test_the_whole_suite_of_schemathesis_finds_nothing(site, tmp_path):
    """Examples, coverage, fuzzing, and chains of requests that use each other's answers."""
    phases = "examples,coverage,fuzzing,stateful"
    names = ",".join(check.__name__ for check in HELD)
    (tmp_path / "openapi.json").write_text(json.dumps(document_of(site)), encoding="utf-8")
    words = ["run", "openapi.json", "--url", site.url, "--phases", phases, "--checks", names]
    words += ["-n", "10", "--request-timeout", "60"]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("st")), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert done.returncode == 0, done.stdout[-10_000:]


def test_every_failure_is_told_in_one_shape(site):
    document = document_of(site)
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert document["components"]["schemas"]["ErrorBody"]["required"] == [
        "message", "type", "param", "code",
    ]  # fmt: skip
    for path, operations in document["paths"].items():
        for operation in operations.values():
            wrong = "400" if path.startswith(("/v1/", "/sdapi/")) else "422"
            if path.startswith(("/v1/", "/sdapi/", "/api/")):
                assert {"401", "403", "429", wrong} <= operation["responses"].keys(), path
