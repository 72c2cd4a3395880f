from ..providers import OAuth2Provider


class Intercom(OAuth2Provider):
    """https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/setting-up-oauth

    You choose the scopes when you register the application. For workspaces in Europe set
    ``HOST`` to ``app.eu.intercom.com`` and ``API_HOST`` to ``api.eu.intercom.io``. For
    Australia replace ``eu`` with ``au``.
    """

    documentation = (
        "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/"
        "setting-up-oauth"
    )
    checked = "2026-11"
    # https://developers.intercom.com/docs/build-an-integration/getting-started
    registration_url = "https://app.intercom.com/a/apps/_/developer-hub"
    host = "app.intercom.com"
    base_url = "https://{api_host}/"
    authorization_url = "https://{host}/oauth"
    token_url = "https://{api_host}/auth/eagle/token"
    # The answer has no refresh token and no expiry. Its "auth/uninstall" is no revocation of one
    # token: it uninstalls the application for the whole workspace.
    auto_refresh_url = None
    client_auth = "post"
    # https://developers.intercom.com/docs/references/2.15/rest-api/api.intercom.io/admins/identifyadmin
    account_url = "me"
    account_id = "id"
    account_label = "name"
    account_workspace = "app.id_code"
    account_workspace_label = "app.name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    # https://developers.intercom.com/docs/build-an-integration/learn-more/rest-apis/
    #: The host of the API.
    api_host = "api.intercom.io"
