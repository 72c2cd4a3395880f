from ..providers import OAuth2Provider


class FreeAgent(OAuth2Provider):
    """https://dev.freeagent.com/docs/oauth — ``SANDBOX`` uses the test environment."""

    documentation = "https://dev.freeagent.com/docs/oauth"
    checked = "2026-11"
    registration_url = "https://dev.freeagent.com/apps"
    host = "api.freeagent.com"
    base_url = "https://{host}/v2/"
    authorization_url = "https://{host}/v2/approve_app"
    token_url = "https://{host}/v2/token_endpoint"
    # Each refresh returns a refresh token; no page states that the old one becomes invalid:
    # https://api-discuss.freeagent.com/t/notice-upcoming-access-token-authentication-changes/2033
    refresh_rotates = True
    account_url = "users/me"
    # The URL of the user; users have no other id: https://dev.freeagent.com/docs/users
    account_id = "user.url"
    account_label = "user.email"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")

    #: Use the sandbox.
    sandbox = False

    option_facts = {"sandbox": {"host": "api.sandbox.freeagent.com"}}
