"""These tests count references, which only a debug build of CPython can: `make refleak`."""

import sys

collect_ignore_glob = [] if hasattr(sys, "gettotalrefcount") else ["*"]
