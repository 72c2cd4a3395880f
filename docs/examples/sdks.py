"""SDKs of providers with the tokens of a session. The tests run these functions."""

from github import Auth, Github

from django_dance.interop import (
    azure_credential,
    google_credentials,
    httpx_auth,
    token_source,
)


def google_client(session):
    """A client of gspread; ``client.open_by_key(…)`` opens a sheet of the user."""
    import gspread

    return gspread.authorize(google_credentials(session))


class SessionToken(Auth.Auth):
    """The ``auth`` of PyGithub that has the token of a session."""

    token_type = "Bearer"  # noqa: S105

    def __init__(self, session):
        self._token = token_source(session)

    @property
    def token(self):
        return self._token()


def github_client(session, **options):
    """A client of PyGithub; ``client.get_user()`` is the user."""
    return Github(auth=SessionToken(session), **options)


def slack_client(session, **options):
    """A client of slack_sdk, for one task: it keeps its token."""
    from slack_sdk import WebClient

    return WebClient(token=token_source(session)(), **options)


def azure_client(session, base_url):
    """A client of azure-core, as the packages of Azure make it from a credential."""
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy

    policy = BearerTokenCredentialPolicy(azure_credential(session), "User.Read")
    return PipelineClient(base_url, policies=[policy])


async def mcp_tools(session, url):
    """The names of the tools of an MCP server, which the official client asks for."""
    import httpx2
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(auth=httpx_auth(session)) as http_client,
        streamable_http_client(url, http_client=http_client) as (read, write, *_),
        ClientSession(read, write) as client,
    ):
        await client.initialize()
        return [tool.name for tool in (await client.list_tools()).tools]
