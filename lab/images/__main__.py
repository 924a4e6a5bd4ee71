"""`python -m lab.images [FOLDER]`: build every image, say for each whether it had to be."""

import sys
from pathlib import Path

import platformdirs

from lab.errors import LabError
from lab.images.build import IMAGES_FOLDER, build_all


def report(name: str, built: bool) -> None:
    sys.stdout.write(f"{name}: {'built' if built else 'unchanged'}\n")


def main(arguments: list[str]) -> int:
    target = Path(arguments[0]) if arguments else platformdirs.user_data_path("pilothouse") / IMAGES_FOLDER
    try:
        build_all(target, on_image=report)
    except LabError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
