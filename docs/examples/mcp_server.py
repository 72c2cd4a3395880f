"""An MCP server on a Django site, with the official SDK of MCP.

Copy it to ``mysite/mcp_server.py``, and run ``uvicorn mysite.mcp_server:application``.
"""

import os
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.asgi import get_asgi_application
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django_site = get_asgi_application()

from mysite.oauth import RESOURCE, server  # noqa: E402  it needs the line above

ISSUER = settings.DANCE_SERVER_ISSUER


class Tokens(TokenVerifier):
    """Accepts the tokens that the site has issued for this resource."""

    async def verify_token(self, token: str) -> AccessToken | None:
        found = await sync_to_async(server.verify_token)(token, resource=RESOURCE)
        if found is None or found.user is None:
            return None
        return AccessToken(
            token=token,
            client_id=found.client_id,
            scopes=sorted(found.scopes),
            resource=RESOURCE,
            subject=str(found.user.pk),
        )


mcp = MCPServer(
    "mysite",
    token_verifier=Tokens(),
    auth=AuthSettings(
        issuer_url=ISSUER,
        resource_server_url=RESOURCE,
        required_scopes=["email"],
        validate_token_resource=True,
    ),
)


@mcp.tool()
async def whoami() -> str:
    """Return the email address of the user who has connected this client."""
    user = await get_user_model().objects.aget(pk=get_access_token().subject)
    return user.email


@mcp.tool()
async def count_words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


mcp_site = mcp.streamable_http_app(
    stateless_http=True,  # so that several processes can serve one client
    json_response=True,
    transport_security=TransportSecuritySettings(
        allowed_hosts=[urlsplit(ISSUER).netloc], allowed_origins=[ISSUER]
    ),
)


async def application(scope, receive, send):
    """Answer the resource with the MCP server, and all other paths with the site."""
    is_mcp = scope["type"] == "lifespan" or scope["path"] == urlsplit(RESOURCE).path
    await (mcp_site if is_mcp else django_site)(scope, receive, send)
