from ..providers import OAuth2Provider


class Authentiq(OAuth2Provider):
    """https://docs.allauth.org/en/latest/socialaccount/providers/authentiq.html — Authentiq's own
    documentation is no longer published. Set ``HOST`` for another server than the public one."""

    documentation = "https://docs.allauth.org/en/latest/socialaccount/providers/authentiq.html"
    registration_url = "https://dashboard.authentiq.com/"
    host = "connect.authentiq.io"
    base_url = "https://{host}/"
    authorization_url = "https://{host}/authorize"
    token_url = "https://{host}/token"
    scope = "openid profile"
    account_url = "userinfo"
    account_id = "sub"
    account_label = "name"
    unconfirmed = ("registration_url", "client_auth", "pkce", "refresh_rotates")
