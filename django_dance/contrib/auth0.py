from ..providers import HostPlace, OIDCProvider


class Auth0(OIDCProvider):
    """https://auth0.com/docs/get-started/authentication-and-authorization-flow/authorization-code-flow

    Set ``HOST`` to your domain, such as ``example.eu.auth0.com``. Add ``offline_access`` to
    ``SCOPE`` to get refresh tokens. To call an API of your own, set ``AUDIENCE`` to its
    identifier and ``BASE_URL`` to its URL. If your tenant uses organizations, set
    ``ACCOUNT_WORKSPACE`` to ``org_id``, so that a user can connect several.
    """

    documentation = (
        "https://auth0.com/docs/get-started/authentication-and-authorization-flow/"
        "authorization-code-flow"
    )
    checked = "2026-11"
    # https://auth0.com/docs/get-started/applications
    registration_url = "https://manage.auth0.com/"
    host: str = ""
    place_kind = HostPlace(example="acme.eu.auth0.com")
    base_url = "https://{host}/"
    # https://auth0.com/docs/get-started/applications/configure-applications-with-oidc-discovery
    issuer = "https://{host}/"
    # https://auth0.com/docs/api/authentication/authorization-code-flow/get-token
    client_auth = "post"
    # https://auth0.com/docs/api/authentication/revoke-refresh-token/revoke-refresh-token
    revocation_url = "https://{host}/oauth/revoke"
    # For a wrong secret: https://github.com/auth0/express-openid-connect/issues/363
    refusals = {"client": ("access_denied: Unauthorized",)}
    scope = ("openid", "profile")
    # A setting of the application decides whether a refresh token can be used again.
    # https://auth0.com/docs/secure/tokens/refresh-tokens/configure-refresh-token-rotation
    refresh_rotates = None

    #: The identifier of the API that you call with the token.
    audience: str | None = None

    authorization_url_options = {"audience": {"audience": "{audience}"}}
