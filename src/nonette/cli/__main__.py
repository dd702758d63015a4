"""`python -m nonette.cli …` is `nonette …`."""

import sys

from nonette.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
