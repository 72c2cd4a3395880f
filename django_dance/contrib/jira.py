from typing import TYPE_CHECKING

from ..providers import OAuth1Provider

if TYPE_CHECKING:
    from ..sessions import DanceSession


class Jira(OAuth1Provider):
    """https://developer.atlassian.com/server/jira/platform/oauth/ — Jira Data Center uses OAuth 1
    with an RSA key. Set ``BASE_URL`` to your server's URL. Newer servers support OAuth 2: see the
    preset ``jira_oauth2``."""

    documentation = "https://developer.atlassian.com/server/jira/platform/oauth/"
    # An administrator of the server registers the site, as the page describes.
    registration_url = documentation
    authorization_url = "plugins/servlet/oauth/authorize"
    request_token_url = "plugins/servlet/oauth/request-token"
    access_token_url = "plugins/servlet/oauth/access-token"
    signature_method = "RSA-SHA1"
    account_url = "rest/api/2/myself"
    account_id = "key"
    account_label = "displayName"
    from_config = {
        "client_id": "{NAME}_OAUTH_CONSUMER_KEY",
        "rsa_key": "{NAME}_OAUTH_RSA_KEY",
    }

    def session_created(self, session: "DanceSession") -> "DanceSession":
        # For a body that is a text: requests states no type for it, and Jira would answer 415.
        session.headers["Content-Type"] = "application/json"
        return session
