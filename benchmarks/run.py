"""`make bench`: measures Opspawn and its peers, prints a table, writes JSON. `--help` shows the options."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name: `benchmarks` is found in the
# first, `support` (the launchers of PostgreSQL and RabbitMQ) in the second.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks.bench import main  # noqa: E402  # needs the path

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
