from ..providers import OAuth2Provider


class Todoist(OAuth2Provider):
    """https://developer.todoist.com/api/v1/#tag/Authorization"""

    documentation = "https://developer.todoist.com/api/v1/#tag/Authorization"
    checked = "2026-11"
    registration_url = "https://developer.todoist.com/appconsole.html"
    base_url = "https://api.todoist.com/api/v1/"
    authorization_url = "https://todoist.com/oauth/authorize"
    token_url = "https://todoist.com/oauth/access_token"
    # https://github.com/Doist/todoist-sdk-typescript/blob/HEAD/src/authentication.ts
    revocation_url = "https://api.todoist.com/api/v1/revoke"
    # https://doist.github.io/todoist-sdk-typescript/api/functions/revokeToken
    revocation_auth = "basic"
    client_auth = "post"
    scope = "data:read"
    scope_separator = ","
    # Older applications have tokens that do not expire, and no refresh tokens.
    # https://doist.github.io/todoist-sdk-typescript/api/functions/refreshAuthToken
    refresh_rotates = True
    account_url = "user"
    account_id = "id"
    account_label = "full_name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
