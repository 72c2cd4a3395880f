from ..providers import OAuth2Provider


class Gusto(OAuth2Provider):
    """https://docs.gusto.com/app-integrations/docs/oauth2 — a token is valid for one company, whose
    id is the account id. Set ``SANDBOX`` for the demo environment, which you develop against. You
    choose the scopes when you register the application."""

    documentation = "https://docs.gusto.com/app-integrations/docs/oauth2"
    checked = "2026-11"
    # https://docs.gusto.com/app-integrations/docs/authentication
    registration_url = "https://dev.gusto.com/"
    host = "api.gusto.com"
    base_url = "https://{host}/v1/"
    authorization_url = "https://{host}/oauth/authorize"
    token_url = "https://{host}/oauth/token"
    # https://github.com/Gusto/gusto-python-client/blob/HEAD/gusto_app_int/docs/sdks/introspection/README.md
    token_request_format = "json"
    client_auth = "post"
    revocation_url = "https://{host}/oauth/revoke"
    revocation_auth = "none"
    revocation_params = {
        "client_id": "client_id",
        "client_secret": "client_secret",
        "token": "access_token",
    }
    revocation_request_format = "json"
    # https://docs.gusto.com/app-integrations/v2024-04-01/reference/refresh-access-token
    refresh_rotates = True
    account_url = "token_info"
    account_id = "resource.uuid"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    #: Use the demo environment.
    sandbox = False

    option_facts = {"sandbox": {"host": "api.gusto-demo.com"}}
