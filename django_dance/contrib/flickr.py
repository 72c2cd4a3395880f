from ..providers import OAuth1Provider


class Flickr(OAuth1Provider):
    """https://www.flickr.com/services/api/auth.oauth.html — ``PERMS`` is ``"read"``, ``"write"`` or
    ``"delete"``. Each value includes the permissions of the values before it."""

    documentation = "https://www.flickr.com/services/api/auth.oauth.html"
    checked = "2026-11"
    registration_url = "https://www.flickr.com/services/apps/create/"
    base_url = "https://api.flickr.com/services/rest/"
    request_token_url = "https://www.flickr.com/services/oauth/request_token"
    authorization_url = "https://www.flickr.com/services/oauth/authorize"
    access_token_url = "https://www.flickr.com/services/oauth/access_token"
    # The token itself names the account.
    account_id = "user_nsid"
    account_label = "username"

    #: The permissions of the site.
    perms = "read"

    authorization_url_options = {"perms": {"perms": "{perms}"}}
