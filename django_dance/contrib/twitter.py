from ..providers import OAuth2Provider


class Twitter(OAuth2Provider):
    """https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token — keep
    ``offline.access`` in ``SCOPE``: without it X grants no refresh token."""

    label = "X"
    documentation = "https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token"
    checked = "2026-11"
    # https://docs.x.com/fundamentals/developer-apps
    registration_url = "https://console.x.com/"
    base_url = "https://api.x.com/2/"
    authorization_url = "https://x.com/i/oauth2/authorize"
    token_url = "https://api.x.com/2/oauth2/token"
    revocation_url = "https://api.x.com/2/oauth2/revoke"
    scope = "users.read tweet.read offline.access"
    # https://docs.x.com/x-ads-api/mcp
    refresh_rotates = True
    # https://github.com/transitive-bullshit/chatgpt-twitter-bot/blob/main/src/twitter.ts
    refusals = {
        "dead": ("invalid_request: value passed for the token was invalid",),
        "client": ("unauthorized_client: missing valid authorization header",),
    }
    account_url = "users/me"
    account_id = "data.id"
    account_label = "data.username"
