from ..providers import OAuth2Provider


class Linear(OAuth2Provider):
    """https://linear.app/developers/oauth-2-0-authentication — the API is GraphQL, at
    ``graphql``."""

    documentation = "https://linear.app/developers/oauth-2-0-authentication"
    checked = "2026-11"
    registration_url = "https://linear.app/settings/api/applications/new"
    base_url = "https://api.linear.app/"
    authorization_url = "https://linear.app/oauth/authorize"
    token_url = "https://api.linear.app/oauth/token"
    revocation_url = "https://api.linear.app/oauth/revoke"
    client_auth = "post"
    scope = "read"
    scope_separator = ","
    refresh_rotates = True
    account_url = "graphql"
    account_method = "POST"
    account_json = {"query": "{ viewer { id name } }"}
    account_id = "data.viewer.id"
    account_label = "data.viewer.name"

    #: ``"app"`` to act as the application instead of the user.
    actor: str | None = None

    authorization_url_options = {"actor": {"actor": "{actor}"}}
