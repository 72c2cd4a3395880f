from ..providers import OIDCProvider


class Okta(OIDCProvider):
    """https://developer.okta.com/docs/reference/api/oidc/ — set ``HOST`` to your organization's,
    such as ``example.okta.com``; for an authorization server of your own set ``ISSUER`` to
    ``https://<host>/oauth2/<id>``. Add ``offline_access`` to be granted refresh tokens."""

    documentation = "https://developer.okta.com/docs/reference/api/oidc/"
    registration_url = "https://developer.okta.com/docs/guides/implement-grant-type/authcode/main/"
    host: str = ""
    base_url = "https://{host}/"
    issuer = "https://{host}"
    scope = ("openid", "profile")
    # Whether a refresh token can be used again is a setting of the application.
    unconfirmed = ("refresh_rotates",)
