from ..providers import HostPlace, OIDCProvider


class Keycloak(OIDCProvider):
    """https://www.keycloak.org/securing-apps/oidc-layers — set ``HOST`` to your server, and set
    ``REALM``. If your server's paths begin with ``/auth``, set ``ISSUER`` to
    ``https://<host>/auth/realms/<realm>``."""

    documentation = "https://www.keycloak.org/securing-apps/oidc-layers"
    checked = "2026-11"
    registration_url = "https://www.keycloak.org/docs/latest/server_admin/#_oidc_clients"
    host: str = ""
    place_kind = HostPlace(
        path="(?:/auth)?/realms/(?P<realm>[A-Za-z0-9._~-]+)",
        example="login.example.com/realms/staff",
        facts={"host": "{host}", "realm": "{realm}", "issuer": "https://{place}"},
    )
    base_url = "https://{host}/"
    issuer = "https://{host}/realms/{realm}"
    scope = ("openid", "profile")
    # A setting of the realm decides whether a refresh token can be used again.
    # "Revoke Refresh Token": https://www.keycloak.org/docs/latest/server_admin/#_timeouts
    refresh_rotates = None

    #: The realm of the users.
    realm: str = ""
