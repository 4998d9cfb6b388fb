"""What a job asks for, against what such jobs were measured to take."""

import pytest

from lensrank import resources
from lensrank.config.read import read_config

GIB = 2**30


def config(**values):
    return read_config(
        {"simulate": {"train": {"n": 20000}, "challenge": {"n": 100000}}, "models": {"lastro": {}}} | values
    )


def shards(folder, images):
    """Files of the size of shards of 101 x 101 float32, without content."""
    path = folder / "shard-0000.h5"
    with path.open("wb") as stream:
        stream.truncate(images * 101 * 101 * 4)
    return [path]


@pytest.mark.parametrize(
    ("model", "batch", "images", "measured"),
    [("lastro", 30, 17000, 2.44e9), ("lastro", 256, 0, 2.15 * GIB), ("efficientnetb0", 256, 0, 6.9 * GIB)],
)
def test_a_training_gets_the_memory_that_was_measured_but_not_three_times_as_much(
    tmp_path, model, batch, images, measured
):
    need = resources.train(config(models={model: {"batch_size": batch}}), model, shards(tmp_path, images))
    asked = need.mem_mb(8, 1) * 1e6
    assert measured + resources.SNAKEMAKE < asked
    assert asked < 3 * measured + 1.3 * 3e9


def test_memory_and_time_grow_with_each_attempt(tmp_path):
    need = resources.train(config(), "lastro", shards(tmp_path, 18000))
    assert [need.mem_mb(8, n) / need.mem_mb(8, 1) for n in (1, 2, 3)] == pytest.approx([1, 2, 3], rel=1e-3)
    assert [need.runtime(8, n) / need.runtime(8, 1) for n in (1, 2, 3)] == pytest.approx([1, 2, 3], rel=1e-2)


def test_a_training_of_the_report_fits_into_a_night_on_eight_cores(tmp_path):
    # 37 images/s on two cores: 18,000 images a hundred times take 13.5 hours there.
    models = {"efficientnetb0": {"epochs": 100}}
    need = resources.train(config(models=models), "efficientnetb0", shards(tmp_path, 18000))
    least = 18000 * 100 / (37 * 4) / 60
    assert least < need.runtime(8, 1) < 4 * least


def test_the_work_of_scoring_grows_with_images_symmetries_and_columns():
    one = resources.score(config(seeds=[0], shard_size=1000))
    many = resources.score(config(seeds=[0, 1, 2, 3], shard_size=5000, scoring={"symmetries": 8}))
    assert many.seconds == pytest.approx(4 * 5 * 8 * one.seconds)
    assert many.memory == one.memory
    # Another job starts or computes on the second core meanwhile.
    assert one.cores() == 1
    assert many.cores() == 6
    # lastro was measured at 730 evaluations/s on two cores.
    assert many.seconds > 4 * 5000 * 8 * 2 / 730


def test_larger_images_in_more_bands_take_more():
    small = resources.ingest(config())
    large = resources.ingest(config(bands=["R", "I", "G", "U"], cutout={"shape": [202, 101]}))
    assert large.seconds == pytest.approx(8 * small.seconds)


def test_cores_follow_the_work_between_2_and_8():
    assert [resources.Need(0, seconds).cores() for seconds in (0, 100, 1000, 1e6)] == [2, 2, 4, 8]
    need = resources.simulate(config(), 20000)
    assert need.mem_mb(8, 1) - need.mem_mb(2, 1) == pytest.approx(6 * 0.35e3 * resources.MEMORY_MARGIN, abs=2)


def test_the_catalogue_of_100000_gets_more_than_it_was_measured_to_take():
    asked = resources.tables(config(), 100000).mem_mb(1, 1) * 1e6
    assert 0.22e9 + resources.SNAKEMAKE < asked < 4e9


def test_images_are_counted_by_the_size_of_the_shards(tmp_path):
    assert resources.images_in(config(), shards(tmp_path, 321)) == 321
    with pytest.raises(FileNotFoundError):
        resources.images_in(config(), [tmp_path / "not-yet.h5"])


def test_a_large_survey_is_put_together_by_a_job_of_less_work_than_a_part_of_it():
    small = resources.simulated(config(simulate={"train": {"n": 4000}}), "train")
    assert small == resources.simulate(config(), 4000)
    assert resources.simulated(config(), "challenge").seconds < resources.simulate(config(), 10000).seconds
