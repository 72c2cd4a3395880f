from .. import __version__
from ..providers import OAuth2Provider


class Basecamp(OAuth2Provider):
    """https://github.com/basecamp/bc3-api/blob/master/sections/authentication.md — calls name the
    account: ``get("<account>/projects.json")``; ``accounts`` of the account info has them.
    Basecamp wants a ``USER_AGENT`` that names your site and an address to write to."""

    documentation = "https://github.com/basecamp/bc3-api/blob/master/sections/authentication.md"
    registration_url = "https://launchpad.37signals.com/integrations"
    base_url = "https://3.basecampapi.com/"
    authorization_url = "https://launchpad.37signals.com/authorization/new"
    token_url = "https://launchpad.37signals.com/authorization/token"
    client_auth = "post"
    request_headers = {"User-Agent": "{user_agent}"}
    account_url = "https://launchpad.37signals.com/authorization.json"
    account_id = "identity.id"
    account_label = "identity.email_address"
    unconfirmed = ("pkce", "refresh_rotates")

    #: The User-Agent of API calls.
    user_agent = f"django-dance/{__version__}"
