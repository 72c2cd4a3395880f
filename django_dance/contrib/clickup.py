from ..providers import OAuth2Provider


class ClickUp(OAuth2Provider):
    """https://developer.clickup.com/docs/authentication — ClickUp has no scopes: the user chooses
    the workspaces."""

    documentation = "https://developer.clickup.com/docs/authentication"
    checked = "2026-11"
    registration_url = "https://app.clickup.com/settings/apps"
    base_url = "https://api.clickup.com/api/v2/"
    authorization_url = "https://app.clickup.com/api"
    token_url = "https://api.clickup.com/api/v2/oauth/token"
    # Its tokens do not expire, and there are no refresh tokens.
    auto_refresh_url = None
    # https://developer.clickup.com/reference/getaccesstoken
    client_auth = "post"
    # https://developer.clickup.com/reference/getauthorizeduser
    account_url = "user"
    account_id = "user.id"
    account_label = "user.username"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
