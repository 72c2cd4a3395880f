from ..providers import OAuth2Provider


class Nylas(OAuth2Provider):
    """https://developer.nylas.com/docs/v3/auth/hosted-oauth-accesstoken/ — the client secret is
    your API key. If your data are stored in Europe, set ``HOST`` to ``api.eu.nylas.com``."""

    documentation = "https://developer.nylas.com/docs/v3/auth/hosted-oauth-accesstoken/"
    checked = "2026-11"
    # https://github.com/nylas/nylas-python/blob/HEAD/README.md
    registration_url = "https://dashboard-v3.nylas.com/"
    host = "api.us.nylas.com"
    base_url = "https://{host}/v3/"
    # https://developer.nylas.com/_spec-files/nylas-api.yaml
    authorization_url = "https://{host}/v3/connect/auth"
    authorization_url_params = {"access_type": "offline"}
    token_url = "https://{host}/v3/connect/token"
    # The access token ends the refresh token, too.
    revocation_url = "https://{host}/v3/connect/revoke"
    revocation_auth = "secret"
    revocation_params = {"token": "access_token"}
    revocation_request_format = "query"
    client_auth = "post"
    # https://developer.nylas.com/docs/cookbook/use-cases/build/get-refresh-tokens/
    refresh_rotates = False
    # Its S256 is the base64 of hexadecimal digits, unlike RFC 7636 §4.2:
    # https://github.com/nylas/nylas-nodejs/blob/HEAD/src/resources/auth.ts
    pkce = None
    # The token itself names the account.
    account_id = "grant_id"
    account_label = "email"
