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
    account_url = "users/me"
    # The URL of the user; users have no other id: https://dev.freeagent.com/docs/users
    account_id = "user.url"
    account_label = "user.email"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")

    #: Use the sandbox.
    sandbox = False

    option_facts = {"sandbox": {"host": "api.sandbox.freeagent.com"}}
