from ..providers import OAuth2Provider


class Wrike(OAuth2Provider):
    """https://developers.wrike.com/docs/oauth-20-authorization — the token names the host of the
    API, because Wrike has several data centres. Keep a scope in ``SCOPE`` that reads contacts
    (``Default``, ``wsReadOnly`` or ``wsReadWrite``), so that the account can be determined."""

    documentation = "https://developers.wrike.com/docs/oauth-20-authorization"
    checked = "2026-11"
    registration_url = "https://www.wrike.com/appconsole.htm?#/api"
    base_url = "https://www.wrike.com/api/v4/"
    # https://developers.wrike.com/faq/: "Always use the host parameter"
    base_url_from_token = "https://{host}/api/v4/"
    base_url_domains = ("wrike.com",)
    authorization_url = "https://login.wrike.com/oauth2/authorize/v4"
    token_url = "https://login.wrike.com/oauth2/token"
    client_auth = "post"
    scope = "wsReadOnly"
    scope_separator = ","
    # https://developers.wrike.com/reference/getcontactsempty
    account_url = "contacts?me=true"
    account_id = "data.0.id"
    account_label = "data.0.profiles.0.email"
    # A token is for one account of the user: https://developers.wrike.com/migration-from-api-v3
    account_workspace = "data.0.profiles.0.accountId"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")
