"""The conformance suite of MCP drives a small site as a client.

https://github.com/modelcontextprotocol/conformance. ``make conformance`` runs it.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = [
    pytest.mark.one_database("The site of these tests has a database of its own"),
    pytest.mark.interop,
    pytest.mark.conformance,
]

ROOT = Path(__file__).parents[2]
#: Seconds that a scenario may take on a busy machine.
PATIENCE = 300
#: The scenarios that count for the newest revision.
SCENARIOS = [
    "auth/authorization-server-migration",
    "auth/basic-cimd",
    "auth/iss-normalized",
    "auth/iss-not-advertised",
    "auth/iss-supported",
    "auth/iss-supported-missing",
    "auth/iss-unexpected",
    "auth/iss-wrong-issuer",
    "auth/metadata-default",
    "auth/metadata-issuer-mismatch",
    "auth/metadata-var1",
    "auth/metadata-var2",
    "auth/metadata-var3",
    "auth/offline-access-not-supported",
    "auth/offline-access-scope",
    "auth/pre-registration",
    "auth/resource-mismatch",
    "auth/scope-from-scopes-supported",
    "auth/scope-from-www-authenticate",
    "auth/scope-omitted-when-undefined",
    "auth/scope-retry-limit",
    "auth/scope-step-up",
    "auth/token-endpoint-auth-basic",
    "auth/token-endpoint-auth-none",
    "auth/token-endpoint-auth-post",
    # Without authorization, these test the SDK, whose client the site uses.
    "http-custom-headers",
    "http-invalid-tool-headers",
    "http-standard-headers",
    "json-schema-ref-no-deref",
    "request-metadata",
    "sep-2322-client-request-state",
    "tools_call",
]
#: Of the revision before, those about authorization.
EARLIER = [
    "auth/basic-cimd",
    "auth/metadata-default",
    "auth/metadata-var1",
    "auth/metadata-var2",
    "auth/metadata-var3",
    "auth/pre-registration",
    "auth/scope-from-scopes-supported",
    "auth/scope-from-www-authenticate",
    "auth/scope-omitted-when-undefined",
    "auth/scope-retry-limit",
    "auth/scope-step-up",
    "auth/token-endpoint-auth-basic",
    "auth/token-endpoint-auth-none",
    "auth/token-endpoint-auth-post",
]
#: The suite does not count these, because each is about an extension: "Experimental features and
#: protocol extensions … are not required for any tier" (SEP-1730, in the list of the suite). The
#: site acts for users, and a user is not there in the grants of the first three: "Authorization is
#: OPTIONAL for MCP implementations", and the specification describes the authorization code.
EXTENSIONS = {
    "auth/client-credentials-basic": "The client acts for itself, without a user.",
    "auth/client-credentials-jwt": "The client acts for itself, without a user.",
    "auth/enterprise-managed-authorization": "The identity provider of a company decides.",
    "auth/wif-jwt-bearer": "A workload has an identity of its own.",
    "auth/dpop": "Tokens that are bound to a key (RFC 9449).",
    "auth/dpop-nonce": "Tokens that are bound to a key (RFC 9449).",
}
#: It was added to the suite after the revision, so the suite does not count it.
ADDED_LATER = ["json-schema-2020-12-preservation"]


def requirements(suite, revision):
    """The frozen list of a revision: the scenarios that count, and the others."""
    listed = yaml.safe_load(
        (suite[1].parents[1] / "requirements" / f"{revision}.yaml").read_text("utf-8")
    )
    others = [each["scenario"] for each in listed["not_scored"] if each["leg"] == "client"]
    return listed["client"], others


def test_the_lists_are_those_of_the_suite(conformance_suite):
    counted, others = requirements(conformance_suite, "2026-07-28")
    assert sorted(counted) == SCENARIOS
    assert sorted(others) == sorted([*EXTENSIONS, *ADDED_LATER])
    assert len([name for name in counted if name.startswith("auth/")]) == 25
    counted, _ = requirements(conformance_suite, "2025-11-25")
    assert sorted(name for name in counted if name.startswith("auth/")) == EARLIER


def run(suite, scenario, revision):
    done = subprocess.run(
        [
            *suite,
            "client",
            *("--command", f"{sys.executable} -m tests.conformance.client"),
            *("--scenario", scenario),
            *("--spec-version", revision),
            *("--timeout", str(PATIENCE * 1000)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE + 60,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "OVERALL: PASSED" in told


@pytest.mark.parametrize("scenario", [*SCENARIOS, *ADDED_LATER])
def test_the_client_keeps_the_rules_of_the_newest_revision(scenario, conformance_suite):
    run(conformance_suite, scenario, "2026-07-28")


@pytest.mark.parametrize("scenario", EARLIER)
def test_the_client_keeps_the_rules_of_the_revision_before(scenario, conformance_suite):
    run(conformance_suite, scenario, "2025-11-25")
