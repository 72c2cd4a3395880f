from django_dance.providers import OAuth2Provider


class Demo(OAuth2Provider):
    """The other half of this project, stated as any provider is: a page of facts."""

    documentation = "https://django-oauth-toolkit.readthedocs.io/"
    label = "Notebook"
    origin = "http://localhost:8000"
    base_url = "{origin}/api/"
    authorization_url = "{origin}/o/authorize/"
    token_url = "{origin}/o/token/"
    revocation_url = "{origin}/o/revoke_token/"
    scope = "read"
