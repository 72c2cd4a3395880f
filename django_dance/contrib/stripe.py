from ..providers import OAuth2Provider


class Stripe(OAuth2Provider):
    """https://docs.stripe.com/connect/oauth-reference — Stripe Connect. The client secret is your
    platform's secret key. Stripe has deprecated the access tokens: call the API with that key and
    the header ``Stripe-Account``."""

    documentation = "https://docs.stripe.com/connect/oauth-reference"
    checked = "2026-11"
    registration_url = "https://dashboard.stripe.com/settings/connect/onboarding-options/oauth"
    base_url = "https://api.stripe.com/v1/"
    authorization_url = "https://connect.stripe.com/oauth/authorize"
    token_url = "https://connect.stripe.com/oauth/token"
    revocation_url = "https://connect.stripe.com/oauth/deauthorize"
    # https://docs.stripe.com/connect/oauth-reference#post-deauthorize-request: the request names
    # the account, not a token.
    revocation_auth = "secret"
    revocation_params = {"client_id": "client_id", "stripe_user_id": "stripe_user_id"}
    client_auth = "post"
    # https://github.com/stripe/stripe-node/blob/HEAD/src/resources/OAuth.ts
    scope = "read_write"
    # The token itself names the account.
    account_id = "stripe_user_id"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")
