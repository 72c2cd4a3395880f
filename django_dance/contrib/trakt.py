from ..providers import OAuth2Provider


class Trakt(OAuth2Provider):
    """https://trakt.docs.apiary.io/#reference/authentication-oauth"""

    documentation = "https://trakt.docs.apiary.io/#reference/authentication-oauth"
    registration_url = "https://trakt.tv/oauth/applications"
    base_url = "https://api.trakt.tv/"
    authorization_url = "https://trakt.tv/oauth/authorize"
    # PKCE: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/trakt.go
    token_url = "https://api.trakt.tv/oauth/token"
    token_request_format = "json"
    # https://github.com/trakt/trakt-api/issues/48
    refresh_rotates = True
    revocation_url = "https://api.trakt.tv/oauth/revoke"
    revocation_token = "access_token"
    client_auth = "post"
    request_headers = {"trakt-api-version": "2", "trakt-api-key": "{client_id}"}
    account_url = "users/settings"
    account_id = "user.ids.uuid"
    account_label = "user.username"
    unconfirmed = ("account_id", "registration_url")
