from ..providers import OAuth2Provider


class PagerDuty(OAuth2Provider):
    """https://developer.pagerduty.com/docs/oauth-functionality — register the application for
    "Scoped OAuth". It works only in the account that registered it. For other accounts, register
    it for "Classic User OAuth", and set ``SCOPE`` to ``read`` or ``write``. For accounts in Europe,
    set ``BASE_URL`` to ``https://api.eu.pagerduty.com/``."""

    documentation = "https://developer.pagerduty.com/docs/oauth-functionality"
    checked = "2026-11"
    # A page of the documentation
    registration_url = "https://developer.pagerduty.com/docs/register-an-app"
    base_url = "https://api.pagerduty.com/"
    authorization_url = "https://identity.pagerduty.com/oauth/authorize"
    token_url = "https://identity.pagerduty.com/oauth/token"
    revocation_url = "https://identity.pagerduty.com/oauth/revoke"
    # https://developer.pagerduty.com/docs/oauth-functionality; the lifetime is that of scoped
    # applications: https://developer.pagerduty.com/docs/private-apps. Classic ones have 210 days.
    refresh_rotates = True
    refresh_token_lifetime = 30
    client_auth = "post"
    scope = "users.read"
    scope_required = True
    request_headers = {"Accept": "application/vnd.pagerduty+json;version=2"}
    account_url = "users/me"
    account_id = "user.id"
    account_label = "user.name"
    unconfirmed = ("revocation_url",)
