from ..providers import OAuth2Provider


class Smartsheet(OAuth2Provider):
    """https://developers.smartsheet.com/api/smartsheet/guides/advanced-topics/oauth — for another
    region, set ``HOST`` to ``smartsheet.eu``, ``smartsheet.au`` or ``smartsheetgov.com``."""

    documentation = "https://developers.smartsheet.com/api/smartsheet/guides/advanced-topics/oauth"
    checked = "2026-11"
    registration_url = "https://developers.smartsheet.com/register"
    # The regions: https://developers.smartsheet.com/api/smartsheet/guides/basics/base-url
    host = "smartsheet.com"
    base_url = "https://api.{host}/2.0/"
    authorization_url = "https://app.{host}/b/authorize"
    # https://developers.smartsheet.com/api/smartsheet/openapi/tokens/tokens-getorrefresh
    token_url = "https://api.{host}/2.0/token"
    client_auth = "post"
    # https://developers.smartsheet.com/api/smartsheet/openapi/tokens/tokens-delete
    revocation_url = "https://api.{host}/2.0/token"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    # https://github.com/smartsheet-platform/api-docs/blob/HEAD/source/_introduction.html.md.erb:
    # an application asks for at least one scope, and each of them can read the account; a refresh
    # ends the old tokens.
    scope = "READ_SHEETS"
    scope_required = True
    refresh_rotates = True
    account_url = "users/me"
    account_id = "id"
    account_label = "email"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
