from ..providers import OIDCProvider


class ORCID(OIDCProvider):
    """https://info.orcid.org/documentation/api-tutorials/api-tutorial-get-and-authenticated-orcid-id/
    — ``SANDBOX`` uses the test environment."""

    documentation = (
        "https://info.orcid.org/documentation/api-tutorials/"
        "api-tutorial-get-and-authenticated-orcid-id/"
    )
    # https://github.com/python-social-auth/social-docs/blob/HEAD/docs/backends/orcid.rst
    registration_url = "https://orcid.org/developer-tools"
    host = "orcid.org"
    base_url = "https://api.{host}/"
    api_origins = ("https://pub.{host}",)
    authorization_url = "https://{host}/oauth/authorize"
    token_url = "https://{host}/oauth/token"
    revocation_url = "https://{host}/oauth/revoke"
    jwks_url = "https://{host}/oauth/jwks"
    userinfo_url = "https://{host}/oauth/userinfo"
    issuer = "https://{host}"
    # The least scope, which gives the ORCID iD.
    scope = "/authenticate"
    client_auth = "post"
    # The token itself names the account.
    account_id = "orcid"
    # An iD is a persistent identifier, which identifies a person in perpetuity:
    # https://info.orcid.org/building-a-robust-research-infrastructure-one-pid-at-a-time/
    permanent_account_ids = ("sub", "orcid")
    unconfirmed = ("pkce", "refresh_rotates")

    #: Use the sandbox.
    sandbox = False

    option_facts = {"sandbox": {"host": "sandbox.orcid.org"}}
