from ..providers import OAuth2Provider


class PayPal(OAuth2Provider):
    """https://developer.paypal.com/log-in/build — keep ``openid`` in ``SCOPE``. ``SANDBOX`` uses
    the test environment."""

    documentation = "https://developer.paypal.com/log-in/build"
    checked = "2026-11"
    # https://github.com/NangoHQ/nango/blob/HEAD/docs/integrations/all/paypal.mdx
    registration_url = "https://developer.paypal.com/dashboard/applications/live"
    host = "paypal.com"
    base_url = "https://api-m.{host}/"
    # https://developer.paypal.com/log-in/build-button
    authorization_url = "https://www.{host}/signin/authorize"
    authorization_url_params = {"flowEntry": "static"}
    token_url = "https://api-m.{host}/v1/oauth2/token"
    refresh_rotates = False
    scope = "openid profile"
    scope_required = True
    # The fields: https://developer.paypal.com/api/identity/v1/userinfo-get/
    account_url = "v1/identity/oauth2/userinfo?schema=paypalv1.1"
    account_id = "user_id"
    account_label = "name"
    unconfirmed = ("pkce",)

    #: Use the sandbox.
    sandbox = False

    option_facts = {"sandbox": {"host": "sandbox.paypal.com"}}
