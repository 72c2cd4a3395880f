from ..providers import OAuth2Provider


class Figshare(OAuth2Provider):
    """https://docs.figshare.com/old_docs/oauth/"""

    documentation = "https://docs.figshare.com/old_docs/oauth/"
    checked = "2026-11"
    registration_url = "https://figshare.com/account/applications"
    label = "figshare"
    base_url = "https://api.figshare.com/v2/"
    authorization_url = "https://figshare.com/account/applications/authorize"
    token_url = "https://api.figshare.com/v2/token"
    client_auth = "post"
    scope = "all"
    # https://github.com/figshare/user_documentation/blob/HEAD/docs/api/index.md
    authorization_scheme = "token"
    # https://github.com/figshare/user_documentation/blob/HEAD/swagger_documentation/swagger.json
    account_url = "account"
    account_id = "id"
    account_label = "email"
    unconfirmed = ("pkce", "refresh_rotates")
