from ..providers import OAuth2Provider


class Coinbase(OAuth2Provider):
    """https://docs.cdp.coinbase.com/coinbase-app/oauth2-integration/integrations — add
    ``offline_access`` to ``SCOPE`` to get refresh tokens. Coinbase registers only applications of
    partners that it has approved, and none at all at times
    (https://docs.cdp.coinbase.com/coinbase-app)."""

    documentation = "https://docs.cdp.coinbase.com/coinbase-app/oauth2-integration/integrations"
    checked = "2026-11"
    registration_url = "https://portal.cdp.coinbase.com/projects/api-keys/oauth"
    base_url = "https://api.coinbase.com/v2/"
    authorization_url = "https://login.coinbase.com/oauth2/auth"
    token_url = "https://login.coinbase.com/oauth2/token"
    # PKCE, and the parameters of the revocation:
    # https://docs.cdp.coinbase.com/coinbase-app/oauth2-integration/reference
    revocation_url = "https://login.coinbase.com/oauth2/revoke"
    revocation_auth = "none"
    revocation_params = {
        "access_token": "access_token",
        "token": "access_token",
        "client_id": "client_id",
        "client_secret": "client_secret",
    }
    client_auth = "post"
    scope = "wallet:user:read"
    # https://docs.cdp.coinbase.com/coinbase-app/oauth2-integration/access-and-refresh-tokens
    refresh_rotates = True
    refresh_token_lifetime = 547
    # https://docs.cdp.coinbase.com/coinbase-app/api-architecture/versioning
    request_headers = {"CB-VERSION": "{api_version}"}
    # https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/coinbase.ts
    account_url = "user"
    account_id = "data.id"
    account_label = "data.name"
    # The pages say that a comma separates scopes, but the example has a space, and next-auth sends
    # one.
    unconfirmed = ("scope_separator",)

    #: The version of the API, a date.
    api_version = "2022-01-06"
