from .. import __version__
from ..providers import OAuth1Provider


class Discogs(OAuth1Provider):
    """https://www.discogs.com/developers/#page:authentication — Discogs requires a ``USER_AGENT``
    with your site's name."""

    documentation = "https://www.discogs.com/developers/#page:authentication"
    checked = "2026-11"
    registration_url = "https://www.discogs.com/settings/developers"
    # https://github.com/discogs/discogs_client/blob/HEAD/discogs_client/client.py
    base_url = "https://api.discogs.com/"
    request_token_url = "https://api.discogs.com/oauth/request_token"
    authorization_url = "https://www.discogs.com/oauth/authorize"
    access_token_url = "https://api.discogs.com/oauth/access_token"
    request_headers = {"User-Agent": "{user_agent}"}
    # https://www.discogs.com/developers/#page:user-identity
    account_url = "oauth/identity"
    account_id = "id"
    account_label = "username"

    #: The User-Agent of API calls.
    user_agent = f"django-dance/{__version__}"
