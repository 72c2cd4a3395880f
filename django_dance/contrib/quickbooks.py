from ..providers import OAuth2Provider


class QuickBooks(OAuth2Provider):
    """https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0
    — a token is for one company of the user: ``session.token["realmId"]``. It comes from the
    browser, so the visitor may have changed it. ``SANDBOX`` uses the test environment."""

    documentation = (
        "https://developer.intuit.com/app/developer/qbo/docs/develop/"
        "authentication-and-authorization/oauth-2.0"
    )
    checked = "2026-11"
    registration_url = "https://developer.intuit.com/app/developer/dashboard"
    base_url = "https://quickbooks.api.intuit.com/v3/"
    authorization_url = "https://appcenter.intuit.com/connect/oauth2"
    token_url = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"
    revocation_url = "https://developer.api.intuit.com/v2/oauth2/tokens/revoke"
    revocation_auth = "basic"
    revocation_params = {"token": "refresh_token"}
    revocation_request_format = "json"
    # After its last use, or after five years: https://blogs.intuit.com/2025/11/12/important-changes-to-refresh-token-policy
    refresh_token_lifetime = 100
    refresh_rotates = True  # https://github.com/intuit/oauth-jsclient/blob/HEAD/README.md
    callback_fields = ("realmId",)
    scope = ("openid", "email", "com.intuit.quickbooks.accounting")
    # The person, too: a visitor could change the company in the callback.
    account_url = "https://accounts.platform.intuit.com/v1/openid_connect/userinfo"
    account_id = "sub"  # the page openid-connect beside the documentation
    account_label = "email"
    # https://developer.intuit.com/app/developer/qbo/docs/go-live/list-on-the-app-store/make-your-app-accountant-ready
    account_workspace = "realmId"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    #: Use the sandbox.
    sandbox = False
    option_facts = {
        "sandbox": {
            "base_url": "https://sandbox-quickbooks.api.intuit.com/v3/",
            "account_url": (
                "https://sandbox-accounts.platform.intuit.com/v1/openid_connect/userinfo"
            ),
        }
    }
