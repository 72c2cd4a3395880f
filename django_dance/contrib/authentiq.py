from ..providers import OAuth2Provider


class Authentiq(OAuth2Provider):
    """https://docs.allauth.org/en/latest/socialaccount/providers/authentiq.html — Authentiq no
    longer publishes its own documentation. Set ``HOST`` to use another server than the public
    one."""

    documentation = "https://docs.allauth.org/en/latest/socialaccount/providers/authentiq.html"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/authentiq.rst
    registration_url = "https://dashboard.authentiq.com/"
    host = "connect.authentiq.io"
    base_url = "https://{host}/"
    authorization_url = "https://{host}/authorize"
    token_url = "https://{host}/token"
    scope = "openid profile"
    account_url = "userinfo"
    account_id = "sub"
    account_label = "name"
    unconfirmed = ("client_auth", "pkce", "refresh_rotates")
