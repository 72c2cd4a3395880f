from .. import __version__
from ..providers import OAuth2Provider


class WikimediaOAuth2(OAuth2Provider):
    """https://www.mediawiki.org/wiki/OAuth/For_Developers — you choose the permissions when you
    register your site. ``HOST`` is the wiki that you call. Add other wikis to ``API_ORIGINS``."""

    documentation = "https://www.mediawiki.org/wiki/OAuth/For_Developers"
    checked = "2026-11"
    # https://github.com/wikimedia/mediawiki-extensions-OAuth/blob/HEAD/i18n/en.json
    registration_url = (
        "https://meta.wikimedia.org/wiki/Special:OAuthConsumerRegistration/propose/oauth2"
    )
    label = "Wikimedia (OAuth 2)"
    host = "meta.wikimedia.org"
    base_url = "https://{host}/w/"
    authorization_url = "https://{host}/w/rest.php/oauth2/authorize"
    token_url = "https://{host}/w/rest.php/oauth2/access_token"
    client_auth = "post"
    # The setting OAuth2RefreshTokenGracePeriod of
    # https://github.com/wikimedia/mediawiki-extensions-OAuth/blob/HEAD/extension.json
    refresh_rotates = True
    # The setting wgOAuth2RefreshTokenTTL of
    # https://github.com/wikimedia/operations-mediawiki-config/blob/HEAD/wmf-config/CommonSettings.php
    refresh_token_lifetime = 365
    request_headers = {"User-Agent": "{user_agent}"}
    # This id is the same on all wikis:
    # https://github.com/wikimedia/mediawiki-extensions-OAuth/blob/HEAD/src/UserStatementProvider.php
    account_url = "rest.php/oauth2/resource/profile"
    account_id = "sub"
    account_label = "username"

    #: The User-Agent of API calls. Wikimedia asks for your site's name and an address for contact.
    user_agent = f"django-dance/{__version__}"
