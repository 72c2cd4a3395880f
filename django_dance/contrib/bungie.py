from ..providers import OAuth2Provider


class Bungie(OAuth2Provider):
    """https://github.com/Bungie-net/api/wiki/OAuth-Documentation — every call also needs the
    application's ``API_KEY``. You choose the scopes when you register the application."""

    documentation = "https://github.com/Bungie-net/api/wiki/OAuth-Documentation"
    checked = "2026-11"
    registration_url = "https://www.bungie.net/en/Application"
    base_url = "https://www.bungie.net/Platform/"
    authorization_url = "https://www.bungie.net/en/OAuth/Authorize"
    token_url = "https://www.bungie.net/Platform/App/OAuth/Token/"
    request_headers = {"X-API-Key": "{api_key}"}
    from_config = {"api_key": "{NAME}_OAUTH_API_KEY"}
    # The token itself names the account.
    account_id = "membership_id"
    account_label = "membership_id"
    # The grant itself ends after a year: https://github.com/Bungie-net/api/issues/1231
    refresh_token_lifetime = 90
    # A client's documentation says that a refresh token can be used once:
    # https://github.com/Cytraen/BungieSharper/wiki/OAuth
    # PKCE is tolerated; this client sends it: https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/bungie.ts
    unconfirmed = ("pkce", "refresh_rotates")

    #: The application's key. Prefer the setting that ``from_config`` names.
    api_key = ""
