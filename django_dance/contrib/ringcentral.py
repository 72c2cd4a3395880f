from ..providers import OAuth2Provider


class RingCentral(OAuth2Provider):
    """https://developers.ringcentral.com/guide/authentication/auth-code-flow — register a web app
    with a server, and choose its permissions there. Choose ``ReadAccounts``, so that the account
    can be determined, and switch refresh tokens on."""

    documentation = "https://developers.ringcentral.com/guide/authentication/auth-code-flow"
    checked = "2026-11"
    # https://developers.ringcentral.com/guide/getting-started/create-credential
    registration_url = "https://developers.ringcentral.com/my-account.html"
    base_url = "https://platform.ringcentral.com/"
    authorization_url = "https://platform.ringcentral.com/restapi/oauth/authorize"
    # PKCE: https://developers.ringcentral.com/guide/authentication/auth-code-pkce-flow
    token_url = "https://platform.ringcentral.com/restapi/oauth/token"
    # https://developers.ringcentral.com/guide/authentication/tokens
    revocation_url = "https://platform.ringcentral.com/restapi/oauth/revoke"
    # https://developers.ringcentral.com/guide/authentication/refresh-tokens
    refresh_rotates = True
    refresh_token_lifetime = 7
    # https://developers.ringcentral.com/api-reference/User-Settings/readExtension
    account_url = "restapi/v1.0/account/~/extension/~"
    account_id = "id"
    account_label = "name"
