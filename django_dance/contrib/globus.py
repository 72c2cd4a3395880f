from ..providers import OIDCProvider


class Globus(OIDCProvider):
    """https://docs.globus.org/api/auth/developer-guide/ — the token's field ``other_tokens`` has
    the tokens for further Globus services."""

    documentation = "https://docs.globus.org/api/auth/developer-guide/"
    checked = "2026-11"
    registration_url = "https://app.globus.org/settings/developers"
    # https://docs.globus.org/api/auth/reference/
    base_url = "https://auth.globus.org/v2/api/"
    # https://auth.globus.org/.well-known/openid-configuration names the endpoints and HTTP Basic.
    authorization_url = "https://auth.globus.org/v2/oauth2/authorize"
    # PKCE: https://github.com/globus/globus-sdk-python/blob/HEAD/src/globus_sdk/services/auth/flow_managers/native_app.py
    token_url = "https://auth.globus.org/v2/oauth2/token"
    # https://github.com/globus/globus-sdk-python/blob/HEAD/src/globus_sdk/authorizers/basic.py
    client_auth_urlencoded = False
    # https://github.com/globus/globus-sdk-python/blob/HEAD/src/globus_sdk/globus_app/config.py
    refresh_token_lifetime = 180
    # https://github.com/globus/globus-sdk-python/blob/HEAD/src/globus_sdk/gare/_variants.py
    choose_account_params = {"prompt": "login"}
    revocation_url = "https://auth.globus.org/v2/oauth2/token/revoke"
    jwks_url = "https://auth.globus.org/jwk.json"
    userinfo_url = "https://auth.globus.org/v2/oauth2/userinfo"
    issuer = "https://auth.globus.org"
    scope = ("openid", "profile", "email")
    unconfirmed = ("refresh_rotates",)

    #: Ask for a refresh token.
    offline = False

    # https://github.com/globus/globus-sdk-python/blob/HEAD/src/globus_sdk/services/auth/flow_managers/authorization_code.py
    authorization_url_options = {"offline": {"access_type": "offline"}}
