"""Run the bench of this folder."""

import sys

from bench.lighthouse import main

sys.exit(main(sys.argv[1:]))
