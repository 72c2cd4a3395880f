from ..providers import OIDCProvider


class ORCID(OIDCProvider):
    """https://info.orcid.org/documentation/api-tutorials/api-tutorial-get-and-authenticated-orcid-id/
    — ``SANDBOX`` uses the test environment. With credentials for the public API, set ``BASE_URL``
    to ``https://pub.orcid.org/``. In ``SCOPE``, ``openid`` replaces ``/authenticate``."""

    documentation = (
        "https://info.orcid.org/documentation/api-tutorials/"
        "api-tutorial-get-and-authenticated-orcid-id/"
    )
    checked = "2026-11"
    registration_url = "https://orcid.org/developer-tools"
    host = "orcid.org"
    base_url = "https://api.{host}/"
    api_origins = ("https://pub.{host}",)
    authorization_url = "https://{host}/oauth/authorize"
    token_url = "https://{host}/oauth/token"
    # https://github.com/ORCID/ORCID-Source/blob/HEAD/orcid-api-web/tutorial/revoke.md
    revocation_url = "https://{host}/oauth/revoke"
    # https://github.com/ORCID/ORCID-Source/blob/HEAD/orcid-web/ORCID_AUTH_WITH_OPENID_CONNECT.md
    jwks_url = "https://{host}/oauth/jwks"
    userinfo_url = "https://{host}/oauth/userinfo"
    issuer = "https://{host}"
    # The least scope, which gives the ORCID iD:
    # https://github.com/ORCID/ORCID-Source/blob/HEAD/orcid-api-web/tutorial/get_id.md
    scope = "/authenticate"
    client_auth = "post"
    # The token endpoint does not read the code_verifier:
    # https://github.com/ORCID/ORCID-Source/blob/HEAD/orcid-web/src/main/java/org/orcid/frontend/web/controllers/OauthGenericCallsController.java
    pkce = None
    # The token itself names the account.
    account_id = "orcid"
    # An iD is a persistent identifier, which identifies a person in perpetuity:
    # https://info.orcid.org/building-a-robust-research-infrastructure-one-pid-at-a-time/
    permanent_account_ids = ("sub", "orcid")
    unconfirmed = ("refresh_rotates",)

    #: Use the sandbox.
    sandbox = False

    option_facts = {"sandbox": {"host": "sandbox.orcid.org"}}
