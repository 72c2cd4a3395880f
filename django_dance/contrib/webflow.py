from ..providers import OAuth2Provider


class Webflow(OAuth2Provider):
    """https://developers.webflow.com/data/reference/oauth-app — keep ``authorized_user:read`` in
    ``SCOPE``, so that the account can be determined. A token is for one workspace, or for sites of
    one. To keep the tokens of several workspaces of a user, set ``ACCOUNT_URL`` to
    ``token/introspect`` and ``ACCOUNT_ID`` to ``authorization.id``: the account is then the
    authorization."""

    documentation = "https://developers.webflow.com/data/reference/oauth-app"
    checked = "2026-11"
    registration_url = "https://developers.webflow.com/data/docs/register-an-app"
    base_url = "https://api.webflow.com/v2/"
    authorization_url = "https://webflow.com/oauth/authorize"
    token_url = "https://api.webflow.com/oauth/access_token"
    revocation_url = "https://webflow.com/oauth/revoke_authorization"
    revocation_auth = "none"
    revocation_params = {
        "client_id": "client_id",
        "client_secret": "client_secret",
        "access_token": "access_token",
    }
    revocation_request_format = "json"
    # It issues no refresh tokens: https://appwrite.io/integrations/oauth-webflow
    auto_refresh_url = None
    client_auth = "post"
    # https://developers.webflow.com/data/reference/token/authorized-by
    scope = "authorized_user:read"
    account_url = "token/authorized_by"
    account_id = "id"
    account_label = "email"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("auto_refresh_url", "pkce")
