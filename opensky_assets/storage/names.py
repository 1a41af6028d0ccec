"""Give a staged file its name in a folder, only where there is none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system without hard links answers."""


def name_first(staged: Path, target: Path) -> bool:
    """Give a file the name `target` where no file has it; whether it has it now. `staged` may stay."""
    try:
        os.link(staged, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if target.exists():
            return False
        os.replace(staged, target)
    return True
