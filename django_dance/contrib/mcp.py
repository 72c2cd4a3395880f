from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from .. import forbid_in_templates
from ..exceptions import AddressRefused, PlaceError, ProviderError
from ..http import bearer_challenge, call_untrusted
from ..providers import (
    OAuth2Provider,
    ServerMetadata,
    UrlPlace,
    count_discovery,
    discover_authorization_server,
    discover_resource,
    fact,
)

if TYPE_CHECKING:
    from ..http import ProtocolResponse
    from ..providers import ClientCredentials
    from ..tokens import Token

#: The revisions of the specification whose rules this module follows, the newest first. The newest
#: adds rules about authorization, such as to compare ``iss`` (RFC 9207) and to bind credentials to
#: their issuer. The module follows them for each server.
REVISIONS = ("2026-07-28", "2025-11-25")
#: The longest scope that a flow's cookie stores, in characters. A longer one is not asked for.
_MAX_SCOPE = 1000
#: RFC 6749 §3.3.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
#: The question whose answer is a challenge: a server may answer ``initialize`` without a token.
_QUESTION = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/list",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": REVISIONS[0],
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}
_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": REVISIONS[0],
    "Mcp-Method": "tools/list",
}


@dataclass(frozen=True, kw_only=True)
class _ServerOfResource(ServerMetadata):
    """The metadata of an authorization server, with the resource that names it."""

    resource: str
    #: The scopes to ask for.
    scope: tuple[str, ...]


class MCP(OAuth2Provider):
    """A server of the Model Context Protocol. Each place is one, by its URL."""

    label = "MCP"
    documentation = "https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization"
    place_kind = UrlPlace(facts={"base_url": "{place}"}, example="https://mcp.example.com/mcp")
    authorization_url: str = fact("", url=True)
    token_url: str = fact("", url=True)
    registers_itself = True
    session_class = "django_dance.sessions.MCPSession"
    server_facts = (*OAuth2Provider.server_facts, "resource", "offered_scope")
    #: The identifier of the resource (RFC 8707 §2), and the scopes that it asks for.
    resource: str = fact("", fixed=True)
    offered_scope: str = fact("", fixed=True)
    checked = "2026-11"

    # --- discovery ----------------------------------------------------------------------------

    def discover(self, asked_by: str) -> ServerMetadata:
        count_discovery(asked_by)
        challenge = self._challenge()
        resource = discover_resource(
            self.place, challenge.get("resource_metadata"), verify=self._verify, fresh=True
        )
        # RFC 9728 §7.6: the client chooses.
        issuer = resource.authorization_servers[0]
        found = discover_authorization_server(issuer, verify=self._verify)
        if "S256" not in (found.code_challenge_methods_supported or ()):
            # "Authorization Code Protection": without the member, the client must refuse.
            raise PlaceError(
                f"{issuer} does not say that it supports PKCE with S256, so MCP forbids to "
                "authorize there. Report it to the operator of the server."
            )
        # "Scope Selection Strategy": that of the challenge, or else all scopes of the resource.
        scope = (challenge.get("scope") or "").split() or list(resource.scopes_supported or ())
        if scope and "offline_access" in (found.scopes_supported or ()):
            # "Refresh Tokens"
            scope.append("offline_access")
        return _ServerOfResource(
            **{each.name: getattr(found, each.name) for each in fields(found)},
            resource=resource.resource,
            scope=tuple(dict.fromkeys(filter(_SCOPE.fullmatch, scope))),
        )

    def facts_in(self, metadata: ServerMetadata) -> dict[str, str]:
        facts = super().facts_in(metadata)
        if isinstance(metadata, _ServerOfResource):
            facts["resource"] = metadata.resource
            scope = " ".join(metadata.scope)
            facts["offered_scope"] = scope if len(scope) <= _MAX_SCOPE else ""
        return facts

    def _challenge(self) -> Mapping[str, str]:
        """Return the parameters of the challenge to a request without a token (RFC 6750 §3)."""
        try:
            answer = call_untrusted(
                "POST", self.place, json=_QUESTION, headers=_HEADERS, verify=self._verify
            )
        except AddressRefused as error:
            raise PlaceError(str(error), "place_refused") from None
        except ProviderError:
            return {}  # the document may be at its well-known URL nevertheless
        return bearer_challenge(answer.headers) if answer.status == 401 else {}

    def has_moved(self, issuer: str, document: str) -> bool:
        """Return whether the resource has another authorization server now (RFC 9728 §5.2).

        :param issuer: the issuer of a token.
        :param document: the ``resource_metadata`` of a challenge.
        """
        try:
            found = discover_resource(self.place, document, verify=self._verify, fresh=True)
        except PlaceError:
            return False
        return issuer not in found.authorization_servers

    @property
    def _verify(self) -> str | bool:
        return self.ca_bundle or True

    # --- the two steps ------------------------------------------------------------------------

    @property
    def configured_scope(self) -> list[str]:
        return super().configured_scope or self.offered_scope.split()

    def authorization_params(self) -> dict[str, str]:
        # RFC 8707 §2: in both requests, whether the server supports it or not.
        return {**super().authorization_params(), "resource": self.resource}

    def token_call(
        self, url: str, data: Mapping[str, str], client: ClientCredentials
    ) -> ProtocolResponse:
        # RFC 6749 §3.2.1 allows it. The authorization server of the official SDK reads it there,
        # also if the client authenticates with HTTP Basic.
        return super().token_call(url, {**data, "client_id": client.client_id}, client)

    def grant(self, url: str, data: Mapping[str, str], client: ClientCredentials) -> dict[str, Any]:
        return super().grant(url, {**data, "resource": self.resource}, client)

    @forbid_in_templates
    def client_credentials(self, scope: str | Iterable[str] | None = None) -> Token:
        """Request a token for the site itself (extension "OAuth Client Credentials").

        :param scope: the scopes to request; default: those that a dance would ask for.
        """
        here = self.prepare_for_site()
        if scope is None:
            # RFC 6749 §4.4.3: this grant has no refresh token.
            scope = [name for name in here.configured_scope if name != "offline_access"]
        return super(MCP, here).client_credentials(scope)
