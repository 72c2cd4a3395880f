from ..providers import ANY_PATH, HostPlace, OIDCProvider


class GitLab(OIDCProvider):
    """https://docs.gitlab.com/api/oauth2/ — choose the scope ``read_user`` when you register the
    application. Set ``HOST`` to use your own server, and ``CA_BUNDLE`` if its certificate comes
    from your own CA."""

    documentation = "https://docs.gitlab.com/api/oauth2/"
    checked = "2026-11"
    registration_url = "https://gitlab.com/-/user_settings/applications"
    host = "gitlab.com"
    place_kind = HostPlace(path=ANY_PATH, example="gitlab.example.com")
    base_url = "https://{host}/api/v4/"
    # https://gitlab.com/.well-known/openid-configuration
    authorization_url = "https://{host}/oauth/authorize"
    token_url = "https://{host}/oauth/token"
    revocation_url = "https://{host}/oauth/revoke"
    device_authorization_url = "https://{host}/oauth/authorize_device"
    jwks_url = "https://{host}/oauth/discovery/keys"
    userinfo_url = "https://{host}/oauth/userinfo"
    issuer = "https://{host}"
    # The least scope for account_url: https://docs.gitlab.com/integration/oauth_provider/
    scope = "read_user"
    refresh_rotates = True
    account_url = "user"
    account_id = "id"
    # "id" is the claim "sub":
    # https://gitlab.com/gitlab-org/gitlab/-/blob/HEAD/config/initializers/doorkeeper_openid_connect.rb
    permanent_account_ids = ("sub", "id")
    account_label = "username"
