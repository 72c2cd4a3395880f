from ..providers import OAuth2Provider


class Dexcom(OAuth2Provider):
    """https://developer.dexcom.com/docs/dexcom/authentication — set ``HOST`` to
    ``sandbox-api.dexcom.com`` for the sandbox, or to ``api.dexcom.eu`` or ``api.dexcom.jp``."""

    documentation = "https://developer.dexcom.com/docs/dexcom/authentication"
    checked = "2026-11"
    registration_url = "https://developer.dexcom.com/"
    host = "api.dexcom.com"
    base_url = "https://{host}/"
    authorization_url = "https://{host}/v3/oauth2/login"
    token_url = "https://{host}/v3/oauth2/token"
    client_auth = "post"
    scope = "offline_access"
    # A refresh token can be used once, and for at most a year.
    refresh_rotates = True
    refresh_token_lifetime = 365
    # https://developer.dexcom.com/docs/dexcomv3/operation/getDataRangeV3
    account_url = "v3/users/self/dataRange"
    account_id = "userId"
    account_label = "userId"
    unconfirmed = ("pkce",)
