from ..providers import OAuth2Provider


class Miro(OAuth2Provider):
    """https://developers.miro.com/docs/getting-started-with-oauth — Miro grants refresh tokens if
    you have chosen expiring tokens for the application. You choose the scopes when you register the
    application."""

    documentation = "https://developers.miro.com/docs/getting-started-with-oauth"
    checked = "2026-11"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/miro.rst
    registration_url = "https://miro.com/app/settings/user-profile/apps"
    base_url = "https://api.miro.com/"
    authorization_url = "https://miro.com/oauth/authorize"
    token_url = "https://api.miro.com/v1/oauth/token"
    revocation_url = "https://api.miro.com/v2/oauth/revoke"
    # https://developers.miro.com/reference/revoke-token-v2
    revocation_auth = "none"
    revocation_params = {
        "accessToken": "access_token",
        "clientId": "client_id",
        "clientSecret": "client_secret",
    }
    revocation_request_format = "json"
    client_auth = "post"
    refresh_rotates = True
    # https://developers.miro.com/reference/oauth-20-authorization-v2
    refresh_token_lifetime = 60
    # https://github.com/miroapp/api-clients/blob/HEAD/packages/generator/spec.json
    account_url = "v1/oauth-token"
    account_id = "user.id"
    account_label = "user.name"
    # A token is for one team: https://developers.miro.com/v1.0/reference/team-object
    account_workspace = "team.id"
    account_workspace_label = "team.name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
