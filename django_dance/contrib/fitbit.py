from ..providers import OAuth2Provider


class Fitbit(OAuth2Provider):
    """https://dev.fitbit.com/build/reference/web-api/developer-guide/authorization/ — keep
    ``profile`` in ``SCOPE``, so that the account can be determined."""

    documentation = "https://dev.fitbit.com/build/reference/web-api/developer-guide/authorization/"
    # https://developers.google.com/health/about
    checked = "2026-11"
    closes = "2026-11-02"
    replaced_by = (
        "the Google Health API, with the preset google_health "
        "(https://developers.google.com/health/migration)"
    )
    registration_url = "https://dev.fitbit.com/apps/new"
    base_url = "https://api.fitbit.com/"
    authorization_url = "https://www.fitbit.com/oauth2/authorize"
    token_url = "https://api.fitbit.com/oauth2/token"
    revocation_url = "https://api.fitbit.com/oauth2/revoke"
    refresh_rotates = True
    # https://dev.fitbit.com/build/reference/web-api/authorization/authorize/
    scope = "profile"
    scope_required = True
    account_url = "1/user/-/profile.json"
    account_id = "user.encodedId"
    account_label = "user.displayName"
    unconfirmed = ("registration_url",)
