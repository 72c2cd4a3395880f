from ..providers import OAuth2Provider


class Uber(OAuth2Provider):
    """https://developer.uber.com/docs/riders/guides/authentication/user-access-token — add
    ``offline_access`` to ``SCOPE`` for refresh tokens. Uber must allow your application to
    determine the account: https://developer.uber.com/docs/v1-me"""

    documentation = "https://developer.uber.com/docs/riders/guides/authentication/user-access-token"
    checked = "2026-11"
    # https://github.com/python-social-auth/social-docs/blob/HEAD/docs/backends/uber.rst
    registration_url = "https://developer.uber.com/dashboard"
    base_url = "https://api.uber.com/v1.2/"
    authorization_url = "https://auth.uber.com/oauth/v2/authorize"
    token_url = "https://auth.uber.com/oauth/v2/token"
    # https://developer.uber.com/docs/consumer-identity/guides/revoke-token
    revocation_url = "https://auth.uber.com/oauth/v2/revoke"
    client_auth = "post"
    # PKCE, and choose_account_params: https://developer.uber.com/docs/consumer-identity/oauthplayground/request/pkce
    # and https://developer.uber.com/docs/consumer-identity/oauthplayground/request/code
    choose_account_params = {"prompt": "login"}
    # https://developer.uber.com/docs/consumer-identity/oauthplayground/refresh-token
    refresh_redirect_uri = True
    scope = "profile"
    # https://developer.uber.com/docs/third-party-rides-demand-u4b-v1/guides/account-linking
    # https://developer.uber.com/docs/consumer-identity/oauthplayground/use-bearer-token
    account_url = "me"
    account_id = "rider_id"
    account_label = "first_name"
    unconfirmed = ("refresh_rotates",)
