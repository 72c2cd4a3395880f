from ..providers import OAuth2Provider


class Dropbox(OAuth2Provider):
    """https://developers.dropbox.com/oauth-guide — Dropbox's app key is ``client_id``, and its app
    secret is ``client_secret``. The parameters are described at
    https://www.dropbox.com/developers/documentation/http/documentation#oauth2-authorize."""

    documentation = "https://developers.dropbox.com/oauth-guide"
    checked = "2026-11"
    registration_url = "https://www.dropbox.com/developers/apps"
    base_url = "https://api.dropboxapi.com/2/"
    api_origins = ("https://content.dropboxapi.com", "https://notify.dropboxapi.com")
    authorization_url = "https://www.dropbox.com/oauth2/authorize"
    # PKCE and refresh: https://github.com/dropbox/dropbox-sdk-js/blob/HEAD/src/auth.js
    token_url = "https://api.dropboxapi.com/oauth2/token"
    refresh_rotates = False
    # The request revokes the token that authorizes it, and its refresh token:
    # https://github.com/dropbox/dropbox-api-spec/blob/HEAD/auth.stone
    revocation_url = "https://api.dropboxapi.com/2/auth/token/revoke"
    revocation_auth = "token"
    revocation_param = ""
    account_url = "users/get_current_account"
    account_method = "POST"
    account_id = "account_id"
    account_label = "name.display_name"
    choose_account_params = {"force_reauthentication": "true"}

    #: Ask for a refresh token.
    offline = False
    #: Ask again even if the user has consented before.
    force_reapprove = False
    #: Do not offer to create a Dropbox account.
    disable_signup = False
    #: ``"personal"`` or ``"work"``: the one of two linked accounts that must be used.
    require_role: str | None = None

    authorization_url_options = {
        "offline": {"token_access_type": "offline"},
        "force_reapprove": {"force_reapprove": "true"},
        "disable_signup": {"disable_signup": "true"},
        "require_role": {"require_role": "{require_role}"},
    }
