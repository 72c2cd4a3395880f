from ..providers import OAuth2Provider


class Trakt(OAuth2Provider):
    """https://github.com/trakt/trakt-api/blob/HEAD/projects/developer/src/lib/guides/authentication-oauth.md
    — if your application has no secret, set ``CLIENT_AUTH`` to ``"none"``."""

    documentation = "https://github.com/trakt/trakt-api/blob/HEAD/projects/developer/src/lib/guides/authentication-oauth.md"
    checked = "2026-11"
    registration_url = "https://app.trakt.tv/settings/apps/api"
    base_url = "https://api.trakt.tv/"
    # https://github.com/trakt/trakt-api/blob/HEAD/projects/api/src/contracts/oauth/index.ts
    authorization_url = "https://auth.trakt.tv/oauth/authorize"
    # PKCE: https://github.com/trakt/trakt-api/blob/HEAD/projects/developer/src/lib/guides/pkce.md
    token_url = "https://auth.trakt.tv/oauth/token"
    token_request_format = "json"
    refresh_rotates = True
    # https://github.com/trakt/trakt-api/blob/HEAD/projects/api/src/contracts/oauth/schema/request/tokenRefreshSchema.ts
    refresh_redirect_uri = True
    revocation_url = "https://auth.trakt.tv/oauth/revoke"
    revocation_token = "access_token"
    client_auth = "post"
    # https://github.com/trakt/trakt-api/blob/HEAD/projects/developer/src/lib/guides/required-headers.md
    request_headers = {"trakt-api-version": "2", "trakt-api-key": "{client_id}"}
    # https://github.com/trakt/trakt-api/blob/HEAD/projects/api/src/contracts/users/index.ts
    account_url = "users/settings"
    account_id = "user.ids.uuid"
    account_label = "user.username"
