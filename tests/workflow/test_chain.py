"""The whole chain, as a user runs it: a simulated survey, a ground-based archive, and a folder for a frozen network."""

import json
import shutil
import tarfile
from xml.etree import ElementTree

import badinput
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

BAD = [row for row in badinput.ROWS if row.bands == badinput.ONE_BAND]
TINY = {"models": {"tiny": {}}, "seeds": [0, 1], "training": {"epochs": 2}}


@pytest.fixture(scope="module")
def survey(make_workflow):
    workflow = make_workflow(
        "survey",
        simulate={
            "train": {"n": 300, "seed": 1},
            "challenge": {"n": 100, "layout": "challenge", "lens_fraction": 0.4, "seed": 2, "first_id": 300000},
        },
        split={"method": "grouped", "holdout": 100, "validation": 40},
        shard_size=60,
        **TINY,
    )
    workflow.first_output = workflow.run("--cores", "2")
    return workflow


def test_every_image_of_the_challenge_is_in_the_catalogue_best_first(survey):
    catalogue = pd.read_csv(survey.results / "catalogue/challenge.csv", dtype={"id": str})
    expected = {path.stem.rpartition("-")[2] for path in (survey.results / "simulated/challenge").rglob("*.fits")}
    assert set(catalogue["id"]) == expected
    assert len(catalogue) == 100
    assert list(catalogue["rank"]) == list(range(1, 101))
    assert catalogue["score"].is_monotonic_decreasing
    columns = ["score_tiny_0", "score_tiny_1"]
    assert np.allclose(catalogue["score"], catalogue[columns].mean(axis=1), rtol=0, atol=1e-7)
    assert np.allclose(catalogue["score_std"], catalogue[columns].std(axis=1, ddof=1), rtol=0, atol=1e-7)


def test_positions_are_the_headers_in_degrees(survey):
    catalogue = pd.read_csv(survey.results / "catalogue/challenge.csv", dtype={"id": str}).set_index("id")
    path = next((survey.results / "simulated/challenge").rglob("*-300042.fits"))
    header = fits.getheader(path)
    assert catalogue.loc["300042", "ra"] == pytest.approx(np.degrees(header["RA"]) % 360, abs=1e-12)
    assert catalogue.loc["300042", "dec"] == pytest.approx(np.degrees(header["DEC"]), abs=1e-12)


def test_all_formats_hold_the_same_catalogue(survey):
    folder = survey.results / "catalogue"
    csv = pd.read_csv(folder / "challenge.csv", dtype={"id": str})
    parquet = pd.read_parquet(folder / "challenge.parquet")
    assert list(parquet.columns) == list(csv.columns)
    for suffix in ("fits", "vot"):
        table = Table.read(folder / f"challenge.{suffix}")
        assert table.colnames == list(csv.columns)
        assert [str(one) for one in table["id"]] == list(csv["id"])
        assert np.array_equal(np.asarray(table["score"]), parquet["score"].to_numpy())
        assert str(table["ra"].unit) == "deg"
    ElementTree.parse(folder / "challenge.vot")


def test_networks_are_converted_once_and_by_no_scoring_job(survey):
    told = "converting for OpenVINO"
    assert (survey.results / "logs/convert.log").read_text().count(told) == 1
    logs = list((survey.results / "logs/score/challenge").glob("*.log"))
    assert len(logs) == 2
    assert not any(told in log.read_text() for log in logs)


def test_the_submission_has_a_score_for_every_image(survey):
    submission = pd.read_csv(survey.results / "submission/challenge.csv", header=None, names=["id", "score"])
    assert len(submission) == 100
    assert submission["score"].between(0, 1).all()


def test_hold_out_and_challenge_are_judged_apart(survey):
    summary = pd.read_csv(survey.results / "metrics/summary.csv")
    assert set(summary["dataset"]) == {"holdout", "challenge"}
    seeds = pd.read_csv(survey.results / "metrics/seeds.csv")
    assert sorted(seeds["seed"].unique()) == [0, 1]
    challenge = seeds[seeds["dataset"] == "challenge"]
    truth = pd.read_csv(
        next((survey.results / "simulated/challenge").rglob("*image_catalog.csv")), comment="#", skipinitialspace=True
    )
    assert (challenge["n_nonlens"] == truth["no_source"].sum()).all()
    lenses = truth[truth["no_source"] == 0]
    unseen = np.mean(lenses["numb_pix_lensed_image"] == 0)
    assert challenge["ceiling"].tolist() == pytest.approx([1 - unseen / 2] * 2)
    assert seeds.loc[seeds["dataset"] == "holdout", "ceiling"].notna().all()
    by_pixels = pd.read_csv(survey.results / "metrics/lensed_pixels.csv")
    assert by_pixels.loc[by_pixels["dataset"] == "challenge", "n_lens"].sum() == len(lenses)


def test_the_split_keeps_halos_together(survey):
    split = pd.read_csv(survey.results / "split.csv")
    assert set(split["part"]) == {"train", "validation", "holdout"}
    assert len(split.drop_duplicates(["group", "part"])) == split["group"].nunique()


def test_figures_come_as_png_and_svg(survey):
    names = {path.stem for path in (survey.results / "figures").glob("*.png")}
    assert {"examples", "auroc_epochs_tiny"} <= names
    for kind in ("roc", "confusion", "thresholds", "lensed_pixels"):
        assert {f"{kind}_tiny_holdout", f"{kind}_tiny_challenge"} <= names
    assert names == {path.stem for path in (survey.results / "figures").glob("*.svg")}


def test_the_run_ends_by_saying_where_the_results_are_and_what_they_show(survey):
    text = (survey.results / "report/summary.txt").read_text()
    assert text in survey.first_output
    for word in ("results/survey/", "AUROC", "simulated", "tiny", "catalogue/"):
        assert word in text


def test_a_second_run_has_nothing_to_do(survey):
    assert "Nothing to be done" in survey.run("--cores", "2")


def test_the_report_of_snakemake_is_built(survey):
    pytest.importorskip("pygments")
    survey.run("--report", "report.zip")
    assert (survey.folder / "report.zip").stat().st_size > 100_000


@pytest.fixture(scope="module")
def ground(make_workflow, survey):
    """Four bands in nested archives, with masked pixels, in a folder whose name wants quoting."""
    workflow = make_workflow("ground")
    bands = ["SDSS_R", "SDSS_I", "SDSS_G", "SDSS_U"]
    maker = make_workflow(
        "maker", bands=bands, simulate={"train": {"n": 120, "seed": 3}}, split={"holdout": 40}, **TINY
    )
    maker.run("--cores", "2", "--until", "simulate")
    images = maker.results / "simulated/train"
    with fits.open(images / "Public/Band2/imageSDSS_I-100003.fits", mode="update") as file:
        file[0].data[:10] = 100
    folder = workflow.folder / "it's a folder"
    folder.mkdir()
    with tarfile.open(folder / "Data.0.tar.gz", "w:gz") as inner:
        inner.add(images / "Public", "Public")
    with tarfile.open(folder / "Ground Based.tar.gz", "w:gz") as outer:
        outer.add(folder / "Data.0.tar.gz", "GroundBased/Data.0.tar.gz")
        outer.add(images / "classifications.csv", "GroundBased/classifications.csv")
    (folder / "Data.0.tar.gz").unlink()
    archive = str(folder / "Ground Based.tar.gz")
    workflow.config.update(
        bands=bands,
        datasets={"train": {"images": archive}, "again": {"images": archive, "truth": None}},
        split={"method": "random", "holdout": 40},
        catalogue={"formats": ["csv"]},
        **TINY,
    )
    workflow.run("--cores", "2")
    return workflow


def test_a_ground_based_archive_goes_from_four_bands_to_a_catalogue(ground):
    catalogue = pd.read_csv(ground.results / "catalogue/again.csv", dtype={"id": str}).set_index("id")
    assert len(catalogue) == 120
    masked = catalogue["flags"] & 4 > 0
    assert list(catalogue.index[masked]) == ["100003"]
    assert np.isfinite(catalogue["score"]).all()


def test_training_images_that_come_back_are_flagged(ground):
    catalogue = pd.read_csv(ground.results / "catalogue/again.csv")
    assert (catalogue["flags"] & 128 > 0).all()


def test_without_validation_images_the_tables_say_that_the_hold_out_chose_the_epoch(ground):
    assert set(pd.read_csv(ground.results / "metrics/seeds.csv")["selection"]) == {"holdout"}


@pytest.fixture(scope="module")
def weekly(make_workflow, survey):
    """A delivery that holds sound images and the whole bad-input table, for a network that was trained before."""
    workflow = make_workflow("weekly", catalogue={"formats": ["csv"]})
    images = workflow.folder / "delivery"
    shutil.copytree(survey.results / "simulated/challenge", images)
    for row in BAD:
        badinput.write(row, images)
    workflow.config.update(
        datasets={"weekly": {"images": str(images), "truth": None}},
        models={"frozen": {"path": str(survey.results / "train/tiny/seed-0/model.keras")}},
    )
    workflow.output = workflow.run("--cores", "2")
    return workflow


def test_a_frozen_network_scores_a_folder_without_any_training_data(weekly, survey):
    lines = weekly.output.splitlines()
    jobs = {line.split()[1].rstrip(":") for line in lines if line.startswith(("localrule ", "rule "))}
    assert {"ingest", "score", "rank", "summary"} <= jobs
    assert not {"simulate", "split", "train", "evaluate"} & jobs
    assert not (weekly.results / "metrics").exists()
    catalogue = pd.read_csv(weekly.results / "catalogue/weekly.csv", dtype={"id": str}).set_index("id")
    there = pd.read_csv(survey.results / "catalogue/challenge.csv", dtype={"id": str}).set_index("id")
    assert np.array_equal(catalogue.loc[there.index, "score_frozen_0"], there["score_tiny_0"])


def test_every_file_of_the_bad_input_table_is_in_the_catalogue_or_in_the_rejects(weekly):
    catalogue = pd.read_csv(weekly.results / "catalogue/weekly.csv", dtype={"id": str}).set_index("id")
    rejects = pd.read_csv(weekly.results / "rejects/weekly.csv", dtype=str, keep_default_na=False)
    assert np.isfinite(catalogue["score"]).all()
    reasons = {
        (name.rpartition("/")[2], reason) for name, reason in zip(rejects["file"], rejects["reason"], strict=True)
    }
    for row in BAD:
        names = {name.rpartition("/")[2] for name in row.files}
        if row.outcome == "rejected":
            assert row.id not in catalogue.index, row.name
            assert {(name, str(row.code)) for name in names} <= reasons, row.name
        else:
            assert catalogue.loc[row.id, "flags"] == int(row.code or 0), row.name
            assert not names & {name for name, _ in reasons}, row.name
    assert len(catalogue) == 100 + sum(row.outcome != "rejected" for row in BAD)


def test_no_truth_for_the_training_set_is_an_error_before_any_training(make_workflow, survey):
    workflow = make_workflow("untold", split={"holdout": 50}, **TINY)
    images = survey.results / "simulated/train/Public"
    workflow.config.update(datasets={"train": {"images": str(images)}})
    done = workflow.call("--cores", "2")
    assert done.returncode != 0
    assert "datasets.train.truth" in done.stdout + done.stderr
    assert json.loads((workflow.results / "index/train/truth.json").read_text())["path"] is None
    assert not (workflow.results / "train").exists()
