from ..providers import OAuth2Provider


class Monday(OAuth2Provider):
    """https://developer.monday.com/apps/docs/oauth-2-1 — if the application is older than OAuth 2.1
    at monday.com, switch it on in the application's settings. The API is GraphQL, at ``v2``."""

    documentation = "https://developer.monday.com/apps/docs/oauth-2-1"
    registration_url = "https://developer.monday.com/apps/docs/create-an-app"
    label = "monday.com"
    base_url = "https://api.monday.com/"
    authorization_url = "https://auth.monday.com/oauth2/authorize"
    token_url = "https://auth.monday.com/oauth_ms/oauth/token"
    token_request_format = "json"
    revocation_url = "https://auth.monday.com/oauth_ms/oauth/revoke"
    client_auth = "post"
    scope = "me:read"
    refresh_rotates = True
    account_url = "v2"
    account_method = "POST"
    account_json = {"query": "query { me { id name } }"}
    account_id = "data.me.id"
    account_label = "data.me.name"
    unconfirmed = ("registration_url",)
