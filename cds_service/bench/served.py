"""The child process that is measured: `marginalia serve` with the arguments given, until the parent closes standard input."""

from __future__ import annotations

import os
import signal

from cds_service.cli import main
from cds_service.demo.child import when_parent_ends

if __name__ == "__main__":
    when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    main()
