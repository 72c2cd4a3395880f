from ..providers import OAuth2Provider


class Mendeley(OAuth2Provider):
    """https://dev.mendeley.com/reference/topics/authorization_auth_code.html"""

    documentation = "https://dev.mendeley.com/reference/topics/authorization_auth_code.html"
    checked = "2026-11"
    # https://dev.mendeley.com/getting_started/hello_mendeley.html
    registration_url = "https://dev.mendeley.com/myapps.html"
    base_url = "https://api.mendeley.com/"
    authorization_url = "https://api.mendeley.com/oauth/authorize"
    token_url = "https://api.mendeley.com/oauth/token"
    refresh_redirect_uri = True
    scope = "all"
    scope_required = True
    # https://github.com/Mendeley/mendeley-python-sdk/blob/HEAD/mendeley/models/profiles.py
    account_url = "profiles/me"
    account_id = "id"
    account_label = "display_name"
    # A new refresh token may come with a refresh, and need not: the page of documentation.
    refresh_rotates = None
    unconfirmed = ("pkce",)
