from ..providers import OIDCProvider


class Auth0(OIDCProvider):
    """https://auth0.com/docs/get-started/authentication-and-authorization-flow/authorization-code-flow

    Set ``HOST`` to your domain, such as ``example.eu.auth0.com``. Add ``offline_access`` to the
    scope to be granted refresh tokens. If calls go to an API of yours, set ``AUDIENCE`` to its
    identifier and ``BASE_URL`` to its address.
    """

    documentation = (
        "https://auth0.com/docs/get-started/authentication-and-authorization-flow/"
        "authorization-code-flow"
    )
    registration_url = "https://manage.auth0.com/"
    host: str = ""
    base_url = "https://{host}/"
    issuer = "https://{host}/"
    revocation_url = "https://{host}/oauth/revoke"
    scope = ("openid", "profile")
    # Whether a refresh token can be used again is a setting of the application.
    unconfirmed = ("refresh_rotates",)

    #: The API that the token is for.
    audience: str | None = None

    authorization_url_options = {"audience": {"audience": "{audience}"}}
