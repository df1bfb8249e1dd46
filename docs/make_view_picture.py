"""Make docs/images/view.png: the README's first picture, by the commands it stands beside.

Usage: `python docs/make_view_picture.py GOOD_SCANS CLOUD [output.png]`, with Chromium installed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

SIZE = (1400, 870)
CHROMIUM = ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=8000")


def main() -> None:
    """Learn, judge, and photograph the page."""
    good, cloud, *output = (Path(argument).resolve() for argument in sys.argv[1:])
    target = output[0] if output else Path(__file__).parent / "images" / "view.png"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suspicious = folder / f"suspicious{cloud.suffix}"
        shutil.copy(cloud, suspicious)
        program = Path(sys.executable).with_name("plane-anomalib")
        command = ["quickstart", good, "--check", suspicious.name, "--out", "inspection"]
        subprocess.run([program, *command], cwd=folder, check=True)
        page = folder / "inspection/results/view/suspicious.html"
        shot = folder / "shot.png"
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        options = [*CHROMIUM, size, f"--screenshot={shot}", page.as_uri()]
        subprocess.run(["chromium", *options], check=True, capture_output=True)
        Image.open(shot).convert("RGB").quantize(128).save(target, optimize=True)
    print(target)


if __name__ == "__main__":
    main()
