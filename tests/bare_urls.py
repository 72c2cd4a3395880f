"""A site that forgot to include our URLs."""

urlpatterns = []
