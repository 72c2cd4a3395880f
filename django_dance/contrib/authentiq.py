from ..providers import OAuth2Provider


class Authentiq(OAuth2Provider):
    """https://github.com/AuthentiqID/authentiq-docs/blob/HEAD/docs/get-started.md — set ``HOST`` to
    use another server than the public one."""

    documentation = "https://github.com/AuthentiqID/authentiq-docs/blob/HEAD/docs/get-started.md"
    checked = "2026-11"
    registration_url = "https://dashboard.authentiq.com/"
    host = "connect.authentiq.io"
    base_url = "https://{host}/"
    authorization_url = "https://{host}/authorize"
    # client_auth, scope_required: https://github.com/AuthentiqID/authentiq-docs/blob/HEAD/docs/swagger/provider.yaml
    token_url = "https://{host}/token"
    # https://github.com/AuthentiqID/authentiq-docs/blob/HEAD/docs/index.md#identity-scopes
    scope = "openid profile"
    scope_required = True
    account_url = "userinfo"
    account_id = "sub"
    account_label = "name"
    unconfirmed = ("pkce", "refresh_rotates")
