from .. import __version__
from ..providers import OAuth1Provider


class Wikimedia(OAuth1Provider):
    """https://www.mediawiki.org/wiki/OAuth/For_Developers — choose "Allow consumer to specify a
    callback" when you register your site. ``HOST`` is the wiki that you call. Add other wikis to
    ``API_ORIGINS``. The wikis support OAuth 2, too: see the preset ``wikimedia_oauth2``."""

    documentation = "https://www.mediawiki.org/wiki/OAuth/For_Developers"
    checked = "2026-11"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/mediawiki.rst
    registration_url = "https://meta.wikimedia.org/wiki/Special:OAuthConsumerRegistration/propose"
    host = "meta.wikimedia.org"
    base_url = "https://{host}/w/"
    request_token_url = "https://{host}/w/index.php?title=Special:OAuth/initiate"
    authorization_url = "https://{host}/wiki/Special:OAuth/authorize"
    access_token_url = "https://{host}/w/index.php?title=Special:OAuth/token"
    # https://github.com/wikimedia/mediawiki-oauthclient-php/blob/HEAD/src/Client.php
    authorization_url_options = {"client_id": {"oauth_consumer_key": "{client_id}"}}
    # https://www.mediawiki.org/wiki/Wikimedia_APIs/Access_policy
    request_headers = {"User-Agent": "{user_agent}"}
    # https://www.mediawiki.org/wiki/API:Userinfo
    # This id is the same on all wikis.
    account_url = "api.php?action=query&meta=userinfo&uiprop=centralids&format=json"
    account_id = "query.userinfo.centralids.CentralAuth"
    account_label = "query.userinfo.name"

    #: The User-Agent of API calls. Wikimedia asks for your site's name and an address for contact.
    user_agent = f"django-dance/{__version__}"
