from ..providers import OAuth2Provider


class Deel(OAuth2Provider):
    """https://developer.deel.com/api/stable/oauth — the account is the organization, so two
    users of one organization have the same account id. Keep ``organizations:read`` in ``SCOPE``, so
    that it can be determined. ``SANDBOX`` uses the test environment."""

    documentation = "https://developer.deel.com/api/stable/oauth"
    checked = "2026-11"
    registration_url = "https://developer.deel.com/api/stable/oauth"
    host = "app.deel.com"
    base_url = "https://api.letsdeel.com/rest/v2/"
    authorization_url = "https://{host}/oauth2/authorize"
    token_url = "https://{host}/oauth2/tokens"
    # https://developer.deel.com/api/endpoints/organizations/get-organizations
    scope = "organizations:read"
    refresh_rotates = True
    # https://developer.deel.com/v2.1.72/docs/token-rotation
    refresh_redirect_uri = True
    refresh_token_lifetime = 90
    request_headers = {"x-client-id": "{client_id}"}
    # https://github.com/api-evangelist/deel/blob/HEAD/openapi/_original/deel-platform-endpoints-openapi.json
    account_url = "organizations"
    account_id = "data.0.id"
    account_label = "data.0.name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    #: Use the sandbox.
    sandbox = False

    option_facts = {
        "sandbox": {
            # https://developer.deel.com/api/stable/sandbox
            "host": "demo.deel.com",
            "base_url": "https://api-staging.letsdeel.com/rest/v2/",
        }
    }
