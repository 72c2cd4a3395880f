from ..providers import OAuth2Provider


class Authentiq(OAuth2Provider):
    """https://docs.allauth.org/en/latest/socialaccount/providers/authentiq.html — Authentiq no
    longer publishes its own documentation. Set ``HOST`` to use another server than the public
    one."""

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
