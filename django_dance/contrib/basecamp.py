from .. import __version__
from ..providers import OAuth2Provider


class Basecamp(OAuth2Provider):
    """https://github.com/basecamp/bc3-api/blob/master/sections/authentication.md — each call names
    the account: ``get("<account>/projects.json")``. The field ``accounts`` of ``account_info()``
    lists the accounts. Basecamp requires a ``USER_AGENT`` with your site's name and a contact
    address."""

    documentation = "https://github.com/basecamp/bc3-api/blob/master/sections/authentication.md"
    checked = "2026-11"
    registration_url = "https://launchpad.37signals.com/integrations"
    base_url = "https://3.basecampapi.com/"
    authorization_url = "https://launchpad.37signals.com/authorization/new"
    # PKCE: https://github.com/basecamp/basecamp-sdk/blob/HEAD/README.md
    token_url = "https://launchpad.37signals.com/authorization/token"
    client_auth = "post"
    # https://github.com/basecamp/bc3-api/blob/master/README.md
    request_headers = {"User-Agent": "{user_agent}"}
    # https://github.com/basecamp/bc-api/issues/98, and its issues 247 and 199
    refusals = {
        "dead": (
            "authorization_expired",
            "Unknown Basecamp ID",
            "This Basecamp ID rekeyed its deadbolt",
        )
    }
    account_url = "https://launchpad.37signals.com/authorization.json"
    account_id = "identity.id"
    account_label = "identity.email_address"
    unconfirmed = ("pkce", "refresh_rotates")

    #: The User-Agent of API calls.
    user_agent = f"django-dance/{__version__}"
