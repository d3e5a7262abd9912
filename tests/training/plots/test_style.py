from pathlib import Path

import numpy as np
from PIL import Image

from training.plots.style import assemble, file_name


def test_a_sheet_has_its_pictures_row_by_row(tmp_path: Path) -> None:
    paths = []
    for number, colour in enumerate(("red", "lime", "blue")):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", (40, 20), colour).save(paths[-1])
    assemble(tmp_path / "sheet.png", paths, columns=2, scale=0.5)
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    assert pixels.shape[0] < 2 * 2 * 20
    assert pixels[5, 10].tolist() == [255, 0, 0]
    middle = pixels.shape[1] // 2
    assert pixels[5, middle + 10].tolist() == [0, 255, 0]
    assert pixels[pixels.shape[0] // 2 + 5, 10].tolist() == [0, 0, 255]
    assert pixels[-5, -5].tolist() == [255, 255, 255]


def test_names_of_files_are_plain() -> None:
    assert file_name("heat", "cae small MV, seed 1") == "heat-cae-small-mv-seed-1.png"
