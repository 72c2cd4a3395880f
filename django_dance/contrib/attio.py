from ..providers import OAuth2Provider


class Attio(OAuth2Provider):
    """https://docs.attio.com/rest-api/tutorials/connect-an-app-through-oauth — a token is valid for
    one workspace. You choose the scopes when you register the application."""

    documentation = "https://docs.attio.com/rest-api/tutorials/connect-an-app-through-oauth"
    checked = "2026-11"
    # https://docs.attio.com/docs/oauth/authorize
    registration_url = "https://build.attio.com/"
    base_url = "https://api.attio.com/v2/"
    authorization_url = "https://app.attio.com/authorize"
    token_url = "https://app.attio.com/oauth/token"
    # https://docs.attio.com/docs/oauth/token: the answer has no refresh token
    auto_refresh_url = None
    client_auth = "post"
    # https://docs.attio.com/rest-api/endpoint-reference/meta/identify
    account_url = "self"
    # https://github.com/d-stoll/attio-js/blob/HEAD/docs/models/operations/getv2selfresponse.md
    account_id = "workspace_id"
    account_label = "workspace_name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
