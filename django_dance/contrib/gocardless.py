from ..providers import OAuth2Provider


class GoCardless(OAuth2Provider):
    """https://developer.gocardless.com/partners/connecting-your-users — to collect payments, set
    ``SCOPE`` to ``read_write``. ``SANDBOX`` uses the test environment."""

    documentation = "https://developer.gocardless.com/partners/connecting-your-users"
    registration_url = "https://manage.gocardless.com/developers"
    base_url = "https://api.gocardless.com/"
    authorization_url = "https://connect.gocardless.com/oauth/authorize"
    token_url = "https://connect.gocardless.com/oauth/access_token"
    # Its tokens do not expire.
    auto_refresh_url = None
    client_auth = "post"
    scope = "read_only"
    request_headers = {"GoCardless-Version": "2015-07-06"}
    # The token itself names the account.
    account_id = "organisation_id"
    unconfirmed = ("auto_refresh_url", "pkce")

    #: Use the sandbox.
    sandbox = False

    option_facts = {
        "sandbox": {
            "base_url": "https://api-sandbox.gocardless.com/",
            "authorization_url": "https://connect-sandbox.gocardless.com/oauth/authorize",
            "token_url": "https://connect-sandbox.gocardless.com/oauth/access_token",
        }
    }
