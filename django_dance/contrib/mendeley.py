from ..providers import OAuth2Provider


class Mendeley(OAuth2Provider):
    """https://dev.mendeley.com/reference/topics/authorization_overview.html"""

    documentation = "https://dev.mendeley.com/reference/topics/authorization_overview.html"
    registration_url = "https://dev.mendeley.com/myapps.html"
    base_url = "https://api.mendeley.com/"
    authorization_url = "https://api.mendeley.com/oauth/authorize"
    token_url = "https://api.mendeley.com/oauth/token"
    scope = "all"
    account_url = "profiles/me"
    account_id = "id"
    account_label = "display_name"
    unconfirmed = ("pkce", "refresh_rotates", "registration_url")
