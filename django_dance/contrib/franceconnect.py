from ..providers import OIDCProvider


class FranceConnect(OIDCProvider):
    """https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-endpoints/ —
    version 2. ``SANDBOX`` uses the test environment. The levels ``eidas2`` and ``eidas3`` are for
    FranceConnect+, which has a host of its own."""

    documentation = (
        "https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-endpoints/"
    )
    registration_url = "https://espace.partenaires.franceconnect.gouv.fr/"
    host = "oidc.franceconnect.gouv.fr"
    base_url = "https://{host}/api/v2/"
    authorization_url = "https://{host}/api/v2/authorize"
    token_url = "https://{host}/api/v2/token"
    jwks_url = "https://{host}/api/v2/jwks"
    userinfo_url = "https://{host}/api/v2/userinfo"
    end_session_url = "https://{host}/api/v2/session/end"
    issuer = "https://{host}/api/v2"
    # The server's source: the client secret is in the body, and there are no refresh tokens.
    # https://github.com/france-connect/sources/blob/HEAD/back/instances/core-fcp-low/src/config/oidc-provider.ts
    client_auth = "post"
    auto_refresh_url = None
    # PKCE: https://github.com/france-connect/sources/blob/HEAD/back/libs/oidc-provider/src/services/oidc-provider-config.service.ts
    scope = ("openid", "profile", "email")

    #: The level of assurance that FranceConnect must reach.
    acr_values = "eidas1"
    #: Use the sandbox.
    sandbox = False

    option_facts = {"sandbox": {"host": "fcp-low.integ01.dev-franceconnect.fr"}}
    # https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-eidas-acr/
    acr_levels = ("eidas1", "eidas2", "eidas3")
    authorization_url_options = {"acr_values": {"acr_values": "{acr_values}"}}
