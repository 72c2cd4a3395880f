from ..providers import OAuth2Provider


class Vimeo(OAuth2Provider):
    """https://developer.vimeo.com/api/authentication"""

    documentation = "https://developer.vimeo.com/api/authentication"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/vimeo.rst
    registration_url = "https://developer.vimeo.com/apps"
    base_url = "https://api.vimeo.com/"
    authorization_url = "https://api.vimeo.com/oauth/authorize"
    token_url = "https://api.vimeo.com/oauth/access_token"
    auto_refresh_url = None
    # https://github.com/vimeo/openapi/blob/HEAD/api.yaml
    revocation_url = "https://api.vimeo.com/tokens"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    scope = "public"
    request_headers = {"Accept": "application/vnd.vimeo.*+json;version=3.4"}
    account_url = "me"
    # The text "/users/" and a number.
    account_id = "uri"
    account_label = "name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("auto_refresh_url", "pkce")
