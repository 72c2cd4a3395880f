from ..providers import OIDCProvider


class Keycloak(OIDCProvider):
    """https://www.keycloak.org/securing-apps/oidc-layers — set ``HOST`` to your server, and
    ``REALM``. Where paths begin with ``/auth``, set ``ISSUER`` to ``https://<host>/auth/realms/<realm>``."""

    documentation = "https://www.keycloak.org/securing-apps/oidc-layers"
    registration_url = "https://www.keycloak.org/docs/latest/server_admin/#_oidc_clients"
    host: str = ""
    base_url = "https://{host}/"
    issuer = "https://{host}/realms/{realm}"
    scope = ("openid", "profile")
    # Whether a refresh token can be used again is a setting of the realm.
    unconfirmed = ("refresh_rotates",)

    #: The realm whose users they are.
    realm: str = ""
