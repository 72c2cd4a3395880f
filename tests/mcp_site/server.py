"""An MCP server, made with the official SDK, that is its own authorization server."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import time
from base64 import b64decode
from collections import Counter
from contextvars import ContextVar

import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthToken

#: The account that the browser of the current request is logged in to.
account = ContextVar("account")


class Accounts(OAuthAuthorizationServerProvider):
    """Grants tokens. A refresh token can be used once."""

    def __init__(self):
        self.clients, self.codes, self.access_tokens, self.refresh_tokens = {}, {}, {}, {}
        #: The lifetime of the next access tokens, in seconds. The first ones are over at once.
        self.lifetime = 0
        #: Account → the number of refreshes.
        self.refreshes = Counter()
        #: The accounts of the refresh tokens that were used, and of those that were used again.
        self.used, self.reused = {}, []

    async def get_client(self, client_id):
        return self.clients.get(client_id)

    async def register_client(self, client_info):
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client, params):
        """Give permission at once."""
        code = AuthorizationCode(
            code=secrets.token_urlsafe(),
            scopes=params.scopes or [],
            expires_at=time.time() + 600,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
            subject=account.get(),
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(self, client, authorization_code):
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code):
        return self.grant(self.codes.pop(authorization_code.code))

    async def load_refresh_token(self, client, refresh_token):
        if refresh_token in self.used:
            self.reused.append(self.used[refresh_token])
        return self.refresh_tokens.get(refresh_token)

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        del self.refresh_tokens[refresh_token.token]
        self.used[refresh_token.token] = refresh_token.subject
        self.refreshes[refresh_token.subject] += 1
        await asyncio.sleep(0.2)  # the other processes find the token expired
        return self.grant(refresh_token)

    def grant(self, grant):
        """Grant tokens for the account, client and resource of a code or a refresh token."""
        owner = {
            "client_id": grant.client_id,
            "scopes": grant.scopes,
            "resource": grant.resource,
            "subject": grant.subject,
        }
        access = AccessToken(
            token=secrets.token_urlsafe(), expires_at=int(time.time()) + self.lifetime, **owner
        )
        refresh = RefreshToken(token=secrets.token_urlsafe(), **owner)
        self.access_tokens[access.token] = access
        self.refresh_tokens[refresh.token] = refresh
        return OAuthToken(
            access_token=access.token, refresh_token=refresh.token, expires_in=self.lifetime
        )

    async def load_access_token(self, token):
        return self.access_tokens.get(token)


class Server:
    """The server, in a thread, at a port of this machine."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://localhost:{self.socket.getsockname()[1]}"
        self.resource, self.accounts = f"{self.url}/mcp", Accounts()
        mcp = MCPServer(
            "identity",
            auth_server_provider=self.accounts,
            auth=AuthSettings(
                issuer_url=self.url,
                resource_server_url=self.resource,
                client_registration_options=ClientRegistrationOptions(enabled=True),
                validate_token_resource=True,
            ),
        )

        @mcp.tool()
        async def whoami() -> str:
            """Return the account of the access token."""
            return get_access_token().subject

        self.app = mcp.streamable_http_app(stateless_http=True, json_response=True)
        config = uvicorn.Config(self.application, interface="asgi3", log_level="warning")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))

    async def application(self, scope, receive, send):
        """Read the account of the browser (RFC 7617), and let the SDK answer."""
        header = dict(scope.get("headers", ())).get(b"authorization", b"")
        if header.startswith(b"Basic ") and scope["path"] == "/authorize":
            account.set(b64decode(header.removeprefix(b"Basic ")).decode().partition(":")[0])
        await self.app(scope, receive, send)

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.01)
        return self

    def __exit__(self, *exception):
        self.server.should_exit = True
        self.thread.join(60)
        self.socket.close()
