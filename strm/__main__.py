"""`python -m strm` is the command `strm`."""

import sys

from strm.cli import main

sys.exit(main())
