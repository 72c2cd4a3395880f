from ..providers import OAuth2Provider


class Trakt(OAuth2Provider):
    """https://github.com/trakt/trakt-api/blob/HEAD/projects/api/src/contracts/oauth/index.ts"""

    documentation = (
        "https://github.com/trakt/trakt-api/blob/HEAD/projects/api/src/contracts/oauth/index.ts"
    )
    checked = "2026-11"
    # https://github.com/trakt/trakt-api/blob/HEAD/README.md
    registration_url = "https://app.trakt.tv/settings/apps"
    base_url = "https://api.trakt.tv/"
    authorization_url = "https://auth.trakt.tv/oauth/authorize"
    # PKCE: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/trakt.go
    token_url = "https://auth.trakt.tv/oauth/token"
    token_request_format = "json"
    refresh_rotates = True
    # …/schema/request/tokenRefreshSchema.ts beside the documentation
    refresh_redirect_uri = True
    revocation_url = "https://auth.trakt.tv/oauth/revoke"
    revocation_token = "access_token"
    client_auth = "post"
    request_headers = {"trakt-api-version": "2", "trakt-api-key": "{client_id}"}
    # https://github.com/trakt/trakt-api/blob/HEAD/projects/api/src/contracts/users/index.ts
    account_url = "users/settings"
    account_id = "user.ids.uuid"
    account_label = "user.username"
