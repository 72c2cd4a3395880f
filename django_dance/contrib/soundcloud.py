from ..providers import OAuth2Provider


class SoundCloud(OAuth2Provider):
    """https://developers.soundcloud.com/docs/api/guide#authentication"""

    documentation = "https://developers.soundcloud.com/docs/api/guide#authentication"
    checked = "2026-11"
    # https://github.com/soundcloud/api/blob/HEAD/Agents.md
    registration_url = "https://soundcloud.com/you/apps"
    base_url = "https://api.soundcloud.com/"
    authorization_url = "https://secure.soundcloud.com/authorize"
    token_url = "https://secure.soundcloud.com/oauth/token"
    # A sign-out: the access token identifies the session.
    revocation_url = "https://secure.soundcloud.com/sign-out"
    revocation_auth = "none"
    revocation_params = {"access_token": "access_token"}
    revocation_request_format = "json"
    client_auth = "post"
    authorization_scheme = "OAuth"
    refresh_rotates = True
    # https://github.com/soundcloud/api/blob/HEAD/openapi/api.yaml
    account_url = "me"
    account_id = "urn"
    account_label = "username"
