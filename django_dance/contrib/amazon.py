from ..providers import OAuth2Provider


class Amazon(OAuth2Provider):
    """https://developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html — Login
    with Amazon."""

    documentation = (
        "https://developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html"
    )
    checked = "2026-11"
    # https://developer.amazon.com/docs/login-with-amazon/register-web.html
    registration_url = "https://developer.amazon.com/loginwithamazon/console/site/lwa/overview.html"
    base_url = "https://api.amazon.com/"
    authorization_url = "https://www.amazon.com/ap/oa"
    token_url = "https://api.amazon.com/auth/o2/token"
    client_auth = "post"
    scope = "profile"
    scope_required = True
    # https://developer.amazon.com/docs/login-with-amazon/obtain-customer-profile.html: status 400
    token_over = {"error": ("invalid_token",)}
    # https://developer.amazon.com/docs/login-with-amazon/customer-profile.html
    account_url = "user/profile"
    account_id = "user_id"
    account_label = "name"
    # https://developer.amazon.com/docs/login-with-amazon/access-token.html speaks of a new refresh
    # token at each refresh, refresh-token.html beside it of tokens that do not expire.
    unconfirmed = ("refresh_rotates",)
