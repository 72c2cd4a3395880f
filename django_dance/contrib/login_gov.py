from ..providers import OIDCProvider


class LoginGov(OIDCProvider):
    """https://developers.login.gov/oidc/getting-started/ — the site is a public client and uses
    PKCE. Set ``ACR_VALUES`` to request a proofed identity. ``SANDBOX`` uses the test
    environment."""

    documentation = "https://developers.login.gov/oidc/getting-started/"
    checked = "2026-11"
    registration_url = "https://portal.int.identitysandbox.gov/"
    label = "Login.gov"
    host = "secure.login.gov"
    base_url = "https://{host}/api/"
    authorization_url = "https://{host}/openid_connect/authorize"
    token_url = "https://{host}/api/openid_connect/token"
    jwks_url = "https://{host}/api/openid_connect/certs"
    userinfo_url = "https://{host}/api/openid_connect/userinfo"
    end_session_url = "https://{host}/openid_connect/logout"
    # https://github.com/18F/identity-idp/blob/HEAD/app/presenters/openid_connect_configuration_presenter.rb
    issuer = "https://{host}/"
    # There is no shared secret. The alternative would be a signed assertion.
    client_auth = "none"
    # https://developers.login.gov/oidc/token/: there is no other grant than that of the code
    auto_refresh_url = None
    # https://developers.login.gov/oidc/authorization/
    scope = ("openid", "email")
    account_label = "email"

    #: The level of assurance that Login.gov must reach.
    acr_values = "urn:acr.login.gov:auth-only"
    #: Use the sandbox.
    sandbox = False

    option_facts = {"sandbox": {"host": "idp.int.identitysandbox.gov"}}
    authorization_url_options = {"acr_values": {"acr_values": "{acr_values}"}}
