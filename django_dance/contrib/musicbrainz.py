from .. import __version__
from ..providers import OAuth2Provider


class MusicBrainz(OAuth2Provider):
    """https://musicbrainz.org/doc/Development/OAuth2 — MusicBrainz requires a ``USER_AGENT`` with
    your site's name and a contact address. Keep ``profile`` in ``SCOPE``, so that the account can
    be determined."""

    documentation = "https://musicbrainz.org/doc/Development/OAuth2"
    checked = "2026-11"
    registration_url = "https://musicbrainz.org/account/applications"
    base_url = "https://musicbrainz.org/ws/2/"
    authorization_url = "https://musicbrainz.org/oauth2/authorize"
    token_url = "https://musicbrainz.org/oauth2/token"
    revocation_url = "https://musicbrainz.org/oauth2/revoke"
    client_auth = "post"
    scope = "profile"
    scope_required = True
    # https://github.com/metabrainz/musicbrainz-server/blob/HEAD/lib/MusicBrainz/Server/Controller/OAuth2.pm
    refresh_rotates = False
    # https://musicbrainz.org/doc/MusicBrainz_API/Rate_Limiting
    request_headers = {"User-Agent": "{user_agent}"}
    account_url = "https://musicbrainz.org/oauth2/userinfo"
    account_id = "metabrainz_user_id"
    account_label = "sub"

    #: Ask for a refresh token.
    offline = False
    #: The User-Agent of API calls.
    user_agent = f"django-dance/{__version__}"

    authorization_url_options = {"offline": {"access_type": "offline"}}
