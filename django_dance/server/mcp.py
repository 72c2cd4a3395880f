"""The Model Context Protocol (MCP): the revisions whose rules the server follows.

The page is https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization, and the
same with the other revision. For an authorization server and a protected resource both revisions
require:

- metadata of the resource and of the server, and challenges that name them (:mod:`.resources`,
  :mod:`.access_tokens`; RFC 9728, RFC 8414);
- tokens for one resource (:mod:`.resources`; RFC 8707);
- PKCE with S256 (:mod:`.endpoints`), and ``iss`` in the response (:mod:`.handlers`; RFC 9207);
- clients that are known by a metadata document (:mod:`.client_documents`). Dynamic registration
  (:mod:`.dynamic_registration`) is deprecated since 2026-07-28.
"""

from __future__ import annotations

#: The newest first.
REVISIONS = ("2026-07-28", "2025-11-25")
#: A header of the requests of clients.
REVISION_HEADER = "MCP-Protocol-Version"
