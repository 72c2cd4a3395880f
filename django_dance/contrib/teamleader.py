from ..providers import OAuth2Provider


class Teamleader(OAuth2Provider):
    """https://developer.focus.teamleader.eu/docs/authentication — you choose the scopes when you
    register the integration. Choose ``users``, so that the account can be determined."""

    # The page of before: https://github.com/teamleadercrm/api/blob/HEAD/src/authentication.apib
    documentation = "https://developer.focus.teamleader.eu/docs/authentication"
    checked = "2026-11"
    registration_url = "https://marketplace.focus.teamleader.eu/build"
    label = "Teamleader Focus"
    base_url = "https://api.focus.teamleader.eu/"
    authorization_url = "https://focus.teamleader.eu/oauth2/authorize"
    token_url = "https://focus.teamleader.eu/oauth2/access_token"
    client_auth = "post"
    refresh_rotates = True
    # https://developer.focus.teamleader.eu/docs/api/users-me
    account_url = "users.me"
    account_method = "POST"
    account_id = "data.id"
    account_label = "data.email"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
