from ..providers import OAuth2Provider


class Salesloft(OAuth2Provider):
    """https://developers.salesloft.com/docs/platform/api-basics/oauth-authentication/ — you choose
    the scopes when you register the application."""

    documentation = (
        "https://developers.salesloft.com/docs/platform/api-basics/oauth-authentication/"
    )
    checked = "2026-11"
    registration_url = "https://accounts.salesloft.com/oauth/applications/"
    base_url = "https://api.salesloft.com/v2/"
    authorization_url = "https://accounts.salesloft.com/oauth/authorize"
    token_url = "https://accounts.salesloft.com/oauth/token"
    client_auth = "post"
    # https://github.com/api-evangelist/salesloft/blob/HEAD/salesloft-openapi.json
    account_url = "me.json"
    account_id = "data.id"
    account_label = "data.name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates", "registration_url")
