from ..providers import OIDCProvider


class LoginGov(OIDCProvider):
    """https://developers.login.gov/oidc/getting-started/ — as a public client, by PKCE. Set
    ``ACR_VALUES`` to ask for a proofed identity. ``SANDBOX`` is to try things in."""

    documentation = "https://developers.login.gov/oidc/getting-started/"
    registration_url = "https://portal.int.identitysandbox.gov/"
    label = "Login.gov"
    host = "secure.login.gov"
    base_url = "https://{host}/api/"
    authorization_url = "https://{host}/openid_connect/authorize"
    token_url = "https://{host}/api/openid_connect/token"
    jwks_url = "https://{host}/api/openid_connect/certs"
    userinfo_url = "https://{host}/api/openid_connect/userinfo"
    end_session_url = "https://{host}/openid_connect/logout"
    issuer = "https://{host}/"
    # There is no shared secret; the other way is a signed assertion.
    client_auth = "none"
    auto_refresh_url = None
    scope = ("openid", "email")
    account_label = "email"
    unconfirmed = ("auto_refresh_url",)

    #: How sure of a person Login.gov shall be.
    acr_values = "urn:acr.login.gov:auth-only"
    #: Use the sandbox.
    sandbox = False

    option_facts = {"sandbox": {"host": "idp.int.identitysandbox.gov"}}
    authorization_url_options = {"acr_values": {"acr_values": "{acr_values}"}}
