from ..providers import OAuth2Provider


class Vimeo(OAuth2Provider):
    """https://developer.vimeo.com/api/authentication"""

    documentation = "https://developer.vimeo.com/api/authentication"
    checked = "2026-11"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/vimeo.rst
    registration_url = "https://developer.vimeo.com/apps"
    base_url = "https://api.vimeo.com/"
    authorization_url = "https://api.vimeo.com/oauth/authorize"
    # Basic, and a form: https://github.com/vimeo/vimeo.py/blob/HEAD/vimeo/auth/base.py
    token_url = "https://api.vimeo.com/oauth/access_token"
    # The answer to an authorization code has no refresh token and no expiry.
    auto_refresh_url = None
    # https://github.com/vimeo/openapi/blob/HEAD/api.yaml
    revocation_url = "https://api.vimeo.com/tokens"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    scope = "public"
    request_headers = {"Accept": "application/vnd.vimeo.*+json;version=3.4"}
    account_url = "me"
    # https://github.com/vimeo/openapi/blob/HEAD/api.yaml: the text "/users/" and a number
    account_id = "uri"
    account_label = "name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
