from ..providers import HostPlace, OIDCProvider


class Salesforce(OIDCProvider):
    """https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm —
    set ``HOST`` to your My Domain, or set ``IS_SANDBOX`` for a sandbox. Add ``refresh_token`` to
    ``SCOPE`` to get a refresh token. The token names the URL of the API."""

    documentation = (
        "https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm"
    )
    checked = "2026-11"
    registration_url = "https://login.salesforce.com/"
    host = "login.salesforce.com"
    # https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_endpoints.htm
    place_kind = HostPlace(
        suffixes=[".my.salesforce.com", ".my.site.com"],
        # Sandboxes and other kinds of organizations: acme--test.sandbox.my.salesforce.com
        label=r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z]+)?",
        hosts=["login.salesforce.com", "test.salesforce.com"],
        example="acme.my.salesforce.com",
    )
    one_client = True
    base_url = "https://{host}/"
    base_url_from_token = "{instance_url}"
    # https://github.com/tprouvot/Salesforce-Inspector-reloaded/blob/HEAD/addon/manifest.json
    base_url_domains = ("salesforce.com", "salesforce.mil")
    authorization_url = "https://{host}/services/oauth2/authorize"
    token_url = "https://{host}/services/oauth2/token"
    # https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_revoke_token.htm
    revocation_url = "https://{host}/services/oauth2/revoke"
    # https://login.salesforce.com/.well-known/openid-configuration
    jwks_url = "https://{host}/id/keys"
    userinfo_url = "https://{host}/services/oauth2/userinfo"
    issuer = "https://{host}"
    scope = None
    # A setting of the application decides whether a refresh token can be used again. Partners'
    # applications for more than two organizations must not allow it:
    # https://developer.salesforce.com/docs/platform/isvforce/guide/secure-code-ac-eca.md
    refresh_rotates = None
    # Another setting ends refresh tokens that are not used:
    # https://help.salesforce.com/s/articleView?id=xcloud.connected_app_limit_idle_ttl.htm
    refresh_token_lifetime = 30
    # Salesforce answers so while it handles another refresh of the same token.
    # https://help.salesforce.com/s/articleView?id=release-notes.rn_security_refresh_token_error.htm&release=252
    # https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flow_errors.htm
    refusals = {
        "busy": ("invalid_grant: token request is already being processed",),
        "cancelled": ("access-denied",),
        "client": ("invalid_client_id",),
    }
    # The token itself names the account, as the URL of the identity.
    account_id = "id"
    unconfirmed = ("base_url_domains", "issuer", "registration_url")

    #: Use the login page of sandboxes.
    is_sandbox = False
    #: Ask again even if the user has consented before.
    reprompt_consent = False

    option_facts = {"is_sandbox": {"host": "test.salesforce.com"}}
    authorization_url_options = {"reprompt_consent": {"prompt": "consent"}}
