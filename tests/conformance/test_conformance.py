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
#: The extensions that the client keeps. The suite does not count extensions: "Experimental features
#: and protocol extensions … are not required for any tier" (SEP-1730, in the list of the suite).
EXTENSIONS = ["auth/client-credentials-basic", "auth/client-credentials-jwt"]
#: The scenarios that do not apply → the sentence of the specification, and its address.
_EXT_AUTH = "https://github.com/modelcontextprotocol/ext-auth/blob"
_DPOP = (
    "This extension is OPTIONAL for MCP implementations.",
    f"{_EXT_AUTH}/21eaa6e418b244de66f1bd13c05f6d2b167f1c22/specification/draft/dpop-extension.mdx",
)
DO_NOT_APPLY = {
    "auth/dpop": _DPOP,
    "auth/dpop-nonce": _DPOP,
    # The identity provider of a company decides, not the user.
    "auth/enterprise-managed-authorization": (
        "**Optional** - Implementations can choose to adopt these extensions",
        f"{_EXT_AUTH}/1543a8125b5d3a22f4d126c888b2c50be1ee0cde/README.md",
    ),
    # A platform such as Kubernetes gives its workloads an identity.
    "auth/wif-jwt-bearer": (
        "This extension is OPTIONAL for MCP implementations.",
        f"{_EXT_AUTH}/13b55238f0b1ad540db248f230f3229606d30657/specification/draft/"
        "workload-identity-federation.mdx",
    ),
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
    assert sorted(others) == sorted([*EXTENSIONS, *DO_NOT_APPLY, *ADDED_LATER])
    assert len(DO_NOT_APPLY) <= 5
    assert len([name for name in counted if name.startswith("auth/")]) == 25
    counted, _ = requirements(conformance_suite, "2025-11-25")
    assert sorted(name for name in counted if name.startswith("auth/")) == EARLIER


def run(suite, scenario, revision, *options):
    done = subprocess.run(
        [
            *suite,
            "client",
            *("--command", f"{sys.executable} -m tests.conformance.client"),
            *("--scenario", scenario),
            *("--spec-version", revision),
            *("--timeout", str(PATIENCE * 1000)),
            *options,
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


@pytest.mark.parametrize("scenario", EXTENSIONS)
def test_the_client_keeps_an_extension(scenario, conformance_suite):
    run(conformance_suite, scenario, "2026-07-28", "--force")  # no revision has extensions


@pytest.mark.parametrize("scenario", EARLIER)
def test_the_client_keeps_the_rules_of_the_revision_before(scenario, conformance_suite):
    run(conformance_suite, scenario, "2025-11-25")
