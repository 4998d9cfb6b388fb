"""Real images and the real truth table of the challenge, where they lie at hand.

They are looked for in the folder that LENSRANK_REAL_DATA names, else in shared/data beside the project: `samples/` with
FITS files of the space-based training set, and `classifications.csv`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from needs import REAL_DATA, needs_real_data
from surveys import Survey

from lensrank.config.settings import Cutout, Dataset, Split
from lensrank.split import make_split
from lensrank.truth import read_truth

pytestmark = needs_real_data


def test_real_images_go_through_ingest_bit_for_bit(tmp_path: Path) -> None:
    files = {path.stem.rpartition("-")[2]: path for path in (REAL_DATA / "samples").rglob("*.fits")}
    survey = Survey(REAL_DATA / "samples", tmp_path, cutout=Cutout(), shard_size=1000, truth=None).index().ingest()
    table, images = survey.shard()
    assert set(table.id) == set(files)
    for id, image, ra, dec in zip(table.id, images, table.ra, table.dec, strict=True):
        expected, header = fits.getdata(files[id], header=True)
        assert image[..., 0].tobytes() == expected.astype("<f4").tobytes()
        assert ra == np.degrees(header["RA"]) % 360
        assert dec == np.degrees(header["DEC"])
    assert not table.flags.any()


def test_the_real_table_is_split_as_the_report_did() -> None:
    truth = read_truth(REAL_DATA / "classifications.csv", Dataset())
    images = pd.DataFrame({"id": list(truth.index), "shard": "shard-0000", "row": range(len(truth))})
    split = make_split(images, truth, Split())
    counts = split.groupby(["part", "label"]).size()
    assert (counts["train", 1], counts["train", 0]) == (12574, 5426)
    assert (counts["holdout", 1], counts["holdout", 0]) == (1394, 606)
