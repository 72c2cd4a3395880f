from ..providers import OAuth2Provider


class Heroku(OAuth2Provider):
    """https://devcenter.heroku.com/articles/oauth"""

    documentation = "https://devcenter.heroku.com/articles/oauth"
    checked = "2026-11"
    registration_url = "https://dashboard.heroku.com/account/applications"
    base_url = "https://api.heroku.com/"
    authorization_url = "https://id.heroku.com/oauth/authorize"
    token_url = "https://id.heroku.com/oauth/token"
    client_auth = "post"
    # Without a scope Heroku grants "global", full access:
    # https://github.com/heroku/identity/blob/HEAD/lib/identity/helpers/auth.rb
    scope = "identity"
    request_headers = {"Accept": "application/vnd.heroku+json; version={api_version}"}
    # https://devcenter.heroku.com/articles/platform-api-reference#account
    account_url = "account"
    account_id = "id"
    account_label = "email"
    unconfirmed = ("pkce", "refresh_rotates", "registration_url")

    #: The version of the Platform API.
    api_version = "3"
