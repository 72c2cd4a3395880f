"""A storage that writes the token of each user to a separate file."""

import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path

from django_dance.exceptions import OwnerRequired, SealBroken
from django_dance.storage import BaseStorage
from django_dance.tokens import seal, unseal

logger = logging.getLogger(__name__)


class FileStorage(BaseStorage):
    """Writes sealed tokens to a directory that only this site's system account can read.

    :param directory: path of the directory; created if it does not exist.
    """

    def __init__(self, directory):
        self.directory = Path(directory)

    def get(self, owner):
        if owner.user_id is None:
            return None
        try:
            sealed = self._path(owner).read_text("ascii")
            return json.loads(unseal(sealed, purpose="file", identity=owner.key))
        except FileNotFoundError:
            return None
        except (SealBroken, ValueError):
            logger.error("The token file of %r cannot be read.", owner)
            return None

    def set(self, owner, token):
        if owner.user_id is None:
            # A visitor's session has a key too, but a storage is not told when a session ends.
            raise OwnerRequired("Log the visitor in first: tokens are kept for users only.")
        sealed = seal(json.dumps(token).encode(), purpose="file", identity=owner.key)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Readers see the old file or the new file, never a partial one. mkstemp() sets mode 0600.
        descriptor, name = tempfile.mkstemp(dir=self.directory, prefix=".new-")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path(owner))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def delete(self, owner):
        if owner.user_id is not None:
            self._path(owner).unlink(missing_ok=True)

    def _path(self, owner):
        # A digest: a user name cannot lead out of the directory, and the listing shows no names.
        return self.directory / f"{hashlib.sha256(owner.key.encode()).hexdigest()}.token"
