"""The configuration: defaults, errors that list everything, and pages that are in step with the code."""

from pathlib import Path

import pytest
import yaml

from lensrank.config import document, tell
from lensrank.config.read import read_config, resolve_model
from lensrank.errors import ConfigError

PROJECT = Path(__file__).resolve().parents[2]

SIMULATED = """
simulate: {train: {n: 3000}}
models: {lastro: {}}
"""


def read(text):
    return read_config(yaml.safe_load(text) or {}, source="survey.yaml")


def faults(text):
    with pytest.raises(ConfigError) as error:
        read(text)
    return str(error.value)


def test_a_simulated_data_set_needs_no_entry_under_datasets():
    config = read(SIMULATED)
    assert list(config.datasets) == ["train"]
    assert config.scored_datasets == ()
    assert config.seeds == (0, 1, 2)


def test_numbers_with_exponents_are_numbers_although_yaml_reads_text():
    config = read(SIMULATED + "training: {learning_rate: 1e-4}")
    assert config.training.learning_rate == 0.0001


def test_a_section_with_nothing_below_its_name_takes_the_defaults():
    assert read("simulate: {train: {n: 3000}}\nmodels:\n  lastro:\n").models["lastro"].epochs == 100


def test_every_fault_is_listed_at_once_with_the_nearest_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cutouts").mkdir()
    text = faults("""
seedz: [1]
bands: [VIS, VIS]
datasets: {challenge: {images: cutout}}
models: {lastroo: {epochs: ten, best: aurc, augmentation: {zooom: [1, 2]}}, old: {path: nope.keras}}
scoring: {models: [oldd]}
split: {method: rndom}
""")
    assert text.startswith("survey.yaml: 11 to mend:")
    for line in (
        "seedz: unknown key; nearest: 'seeds'",
        "bands: 'VIS' stands twice",
        f"datasets.challenge.images: cutout does not exist (looked from {tmp_path}); nearest: 'cutouts'",
        "models.lastroo.epochs: Input should be a valid integer, unable to parse string as an integer; found 'ten'",
        "models.lastroo.best: Input should be 'auroc', 'loss' or 'last'; found 'aurc'; nearest: 'auroc'",
        "models.lastroo.augmentation.zooom: unknown key; nearest: 'zoom'",
        "models.lastroo: 'lastroo' is not a registered network; nearest: 'lastro'",
        "models.old.path: nope.keras does not exist",
        "scoring.models: 'oldd' is not among models; nearest: 'old'",
        "datasets.train: missing, and lastroo must be trained",
        "split.method: Input should be 'ordered', 'random' or 'grouped'; found 'rndom'; nearest: 'random'",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "models: required, and not given"),
        ("models: 3", "models: Input should be a valid dictionary; found 3"),
        ("models: {lastro: {}}", "datasets.train: missing, and lastro must be trained"),
        (
            "simulate: {train: {n: 4000}}\nmodels: {lastro: {}}\nsplit: {holdout: 5000}",
            "split.holdout: 5000 images are to be held out (with split.validation), but simulate.train.n is 4000",
        ),
        ("simulate: {train: {}}\ndatasets: {train: {images: /}}\nmodels: {lastro: {}}", "datasets.train.images: / is"),
        ("simulate: {'a/b': {}}\nmodels: {lastro: {}}", "simulate.a/b"),
        (SIMULATED + "bands: [R, I]\ndatasets: {train: {pattern: 'x{id}.fits'}}", "has no {band}, but bands names 2"),
        (SIMULATED + "augmentation: {zoom: [1.4, 0.6]}", "augmentation.zoom: the lower end comes first"),
        (
            SIMULATED + "scoring: {engine: keras, precision: bfloat16}",
            "bfloat16 is for engine openvino",
        ),
        (
            SIMULATED + "cutout: {shape: [101, 81]}\nscoring: {symmetries: 8}",
            "symmetries: 8 needs square images",
        ),
        (SIMULATED + "scoring: {datasets: [train, train]}", "scoring.datasets: 'train' stands twice"),
        (
            "simulate: {train: {}, c: {}, b_c: {}}\nmodels: {a: {network: tiny}, a_b: {network: tiny}}",
            "*_a_b_c",
        ),
        ("simulate: {train: {}, c: {}}\nmodels: {tiny: {}}\nscoring: {models: []}", "scoring.models: names none"),
        (SIMULATED + "datasets: {train: {truth: null}}", "datasets.train.truth: null, but lastro must learn"),
        (f"datasets: {{train: {{images: {__file__}}}}}\nmodels: {{lastro: {{}}}}", "`images` is a folder, an archive"),
        (f"simulate: {{train: {{}}}}\nmodels: {{old: {{path: {PROJECT}}}}}", "is a folder; name the file"),
        (SIMULATED + "run: ../elsewhere", "run: String should match pattern"),
        (
            "simulate: {train: {n: 3000}}\nmodels: {lastro: {normalisation: {mean: 1, st: 2}}}",
            "models.lastro.normalisation.st: unknown key; nearest: 'std'",
        ),
    ],
)
def test_what_is_wrong_is_named(text, expected):
    assert expected in faults(text)


def test_a_fault_in_a_list_or_a_missing_key_does_not_hide_the_others():
    text = faults("""
models: {lastroo: {}, b: {network: lastro, normalisation: {mean: 1}}}
seeds: [0, a]
catalogue: {formats: [fitz]}
datasets: {train: {images: nope}}
""")
    for line in ("'lastroo' is not a registered", "seeds.1: ", "'fitz'; nearest: 'fits'", "nope does not exist", "std"):
        assert line in text


def test_a_recipe_is_weaker_than_what_the_configuration_sets_and_the_models_own_entry_is_strongest():
    plain = resolve_model(read(SIMULATED), "lastro")
    assert (plain.batch_size, plain.learning_rate, plain.balanced_batches) == (30, 1e-4, True)
    assert (plain.augmentation.symmetries, plain.augmentation.flip) == (True, False)
    text = "training: {batch_size: 64, learning_rate: 0.01}\nsimulate: {train: {n: 3000}}\n"
    mixed = resolve_model(read(text + "models: {lastro: {learning_rate: 0.5, augmentation: {flip: true}}}"), "lastro")
    assert (mixed.batch_size, mixed.learning_rate, mixed.balanced_batches) == (64, 0.5, True)
    assert (mixed.augmentation.symmetries, mixed.augmentation.flip) == (True, True)


def test_a_models_name_need_not_be_its_networks_name():
    model = resolve_model(read("simulate: {train: {n: 3000}}\nmodels: {small: {network: lastro}}"), "small")
    assert (model.network, model.batch_size) == ("lastro", 30)


def test_trained_models_alone_need_no_training_data(tmp_path):
    (tmp_path / "frozen.keras").touch()
    config = read(
        f"datasets: {{weekly: {{images: {tmp_path}}}}}\nmodels: {{frozen: {{path: {tmp_path}/frozen.keras}}}}"
    )
    assert config.trained_models == ()
    assert config.model_seeds("frozen") == (0,)
    assert config.scored_datasets == ("weekly",)


def test_a_model_is_told_nothing_of_what_does_not_concern_its_training():
    one = read(SIMULATED)
    other = read(SIMULATED + "seeds: [0, 1, 2, 3]\nscoring: {symmetries: 8}\nrun: other\ncatalogue: {formats: [csv]}")
    assert tell.train(one, "lastro") == tell.train(other, "lastro")
    assert tell.train(one, "lastro") != tell.train(read(SIMULATED + "training: {epochs: 3}"), "lastro")


def test_the_pages_made_from_the_code_are_in_step_with_it():
    assert (PROJECT / "config/README.md").read_text() == document.readme_text(), "run `make docs`"
    assert (PROJECT / "config/schema.json").read_text() == document.schema_text(), "run `make docs`"


@pytest.mark.parametrize("name", ["demo", "report", "challenge"])
def test_shipped_configurations_are_valid_once_their_data_are_there(name, tmp_path, monkeypatch):
    values = yaml.safe_load((PROJECT / f"config/{name}.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    for dataset in values.get("datasets", {}).values():
        Path(dataset["images"]).mkdir(parents=True)
    assert read_config(values).run == name
