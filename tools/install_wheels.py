"""Builds the wheels of the three distributions and installs them into the running environment.

    python tools/install_wheels.py FOLDER

The tests then see what a user gets, never the checkout: a file that the wheel forgot is a test that fails.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = [ROOT / "agentkit", ROOT / "ops-core", ROOT]


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for project in DISTRIBUTIONS:
        # hatchling is in the environment, from the lock: no second one is fetched to build with.
        run("build", "--wheel", "--no-build-isolation", f"--out-dir={folder}", str(project))
    wheels = sorted(str(wheel) for wheel in folder.glob("*.whl"))
    run("pip", "install", "--no-deps", "--reinstall", *wheels)
    print("installed", *(Path(wheel).name for wheel in wheels))


def run(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, *arguments, "--quiet", f"--python={sys.executable}"], cwd=ROOT, check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
