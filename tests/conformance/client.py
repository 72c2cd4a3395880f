"""A client for the conformance suite of MCP: a user of a small site connects the server.

The suite starts it with the URL of its server as the last argument, and judges the requests. See
https://github.com/modelcontextprotocol/conformance.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

import django


def main() -> None:
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    # The newest revision asks the server for its revisions; the one before begins with a handshake.
    newest = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"] >= "2026-07-28"
    mode, url = "auto" if newest else "legacy", sys.argv[-1]
    if not scenario.startswith("auth/"):
        from tests.conformance import calls

        asyncio.run(calls.run(scenario, url, context, mode))
        return
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.conformance.settings"
    django.setup()

    from tests.conformance import person

    if scenario.startswith("auth/client-credentials-"):
        person.run_for_the_site(url, context, mode)
    else:
        person.run(url, context, mode)


if __name__ == "__main__":
    main()
