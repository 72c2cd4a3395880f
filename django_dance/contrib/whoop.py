from ..providers import OAuth2Provider


class WHOOP(OAuth2Provider):
    """https://developer.whoop.com/docs/developing/oauth — keep ``offline`` in ``SCOPE``:
    without it WHOOP grants no refresh token."""

    documentation = "https://developer.whoop.com/docs/developing/oauth"
    checked = "2026-11"
    # A page of the documentation, which links to the dashboard
    registration_url = "https://developer.whoop.com/docs/developing/getting-started"
    base_url = "https://api.prod.whoop.com/developer/v2/"
    authorization_url = "https://api.prod.whoop.com/oauth/oauth2/auth"
    token_url = "https://api.prod.whoop.com/oauth/oauth2/token"
    # https://developer.whoop.com/docs/tutorials/refresh-token-javascript: the answer has a new
    # refresh token
    auto_refresh_kwargs = {"scope": "offline"}
    revocation_url = "https://api.prod.whoop.com/developer/v2/user/access"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    client_auth = "post"
    scope = "offline read:profile"
    refresh_rotates = True
    account_url = "user/profile/basic"
    account_id = "user_id"
    account_label = "first_name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
