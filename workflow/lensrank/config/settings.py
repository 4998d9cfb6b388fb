"""Every key of the configuration, its type, its default and what it means. The README and the schema come from here."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Range = tuple[float, float]


def _distinct(values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    for value in values or ():
        if values is not None and values.count(value) > 1:
            raise ValueError(f"{value!r} stands twice")
    return values


class Settings(BaseModel):
    """Base of all sections: unknown keys are refused, values are never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        # YAML reads a section with nothing below its name as null.
        return {} if value is None else value


class Cutout(Settings):
    """What one image looks like and where its header says it lies."""

    shape: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] = Field(
        (101, 101), description="Height and width in pixels; an image of another shape is rejected."
    )
    ra: str = Field("RA", description="Header keyword of the right ascension.")
    dec: str = Field("DEC", description="Header keyword of the declination.")
    angle_unit: Literal["rad", "deg"] = Field("rad", description="Unit of both; catalogues are in degrees.")
    masked: float | None = Field(
        100.0, description="Pixels of exactly this value are masked: flagged, and background to a network."
    )


class Dataset(Settings):
    """Images on disk, and what is known about them."""

    images: Path | None = Field(
        None,
        description="Folder (any depth), .tar, .tar.gz or .tgz (inner archives are followed), or .h5 re-pack. "
        "Left out for a data set under `simulate`.",
    )
    pattern: str = Field(
        "image{band}-{id}.fits",
        description="File names; {band} stands for the bands' names, {id} for the ID, .fits for every FITS suffix. "
        "May hold folders, as in '{id}/{band}.fits'.",
    )
    truth: Literal["auto"] | Path | None = Field(
        "auto",
        union_mode="left_to_right",
        description="Truth table: a path, or auto to look for classifications.csv or *image_catalog.csv among the "
        "images, or null for none.",
    )
    truth_id: str = Field("ID", description="Column of the truth table that holds the ID.")
    label: str = Field(
        "auto",
        description="Column of the truth table that is 1 for a lens, or an expression such as '1 - no_source' or "
        "'n_source_im > 0 and mag_eff > 1.6'; auto takes is_lens, else 1 - no_source.",
    )

    @field_validator("pattern")
    @classmethod
    def _has_id(cls, pattern: str) -> str:
        if pattern.count("{id}") != 1 or pattern.count("{band}") > 1:
            raise ValueError("a pattern holds {id} once and {band} at most once, as in 'image{band}-{id}.fits'")
        if not pattern.lower().endswith((".fits", ".fit")):
            raise ValueError("a pattern ends in .fits, which stands for every FITS suffix (.fits.gz, .fits.fz, ...)")
        return pattern


class Simulate(Settings):
    """A data set that is made here, in the layout of the challenge."""

    n: int = Field(4000, gt=0, description="Images to make.")
    layout: Literal["training", "challenge"] = Field(
        "training",
        description="training: Public/Band1 with classifications.csv; challenge: ten folders Data_EuclidBig.{0..9} "
        "with euclidB_image_catalog.csv and its no_source.",
    )
    lens_fraction: Fraction = Field(0.7, description="Share of images with a source behind the lens.")
    invisible_fraction: Fraction = Field(
        0.026,
        description="Share of the lenses whose source is too faint to be seen; fewer of the small ones.",
    )
    seed: int = Field(1, ge=0, description="Image i of a seed is the same whatever n is.")
    halo_seed: int | None = Field(
        None,
        ge=0,
        description="Seed of the halos; null: `seed`. Data sets that share it show the same halos from other sides, as "
        "the challenge's training and challenge sets do: both come from one light cone.",
    )
    first_id: int = Field(100000, ge=0, description="ID of the first image.")
    pixel_scale: float = Field(0.1, gt=0, description="Arcseconds per pixel.")
    psf_fwhm: float = Field(0.18, gt=0, description="Full width at half maximum of the Gaussian PSF, arcseconds.")
    noise: float = Field(7.75e-13, gt=0, description="Standard deviation of a pixel's noise, in the pixels' unit.")
    noise_correlation: float = Field(
        0.0,
        ge=0,
        le=0.6,
        description="Correlation of a pixel's noise with that of its neighbours in row and column, as resampling "
        "leaves it; 0: white.",
    )
    zero_point: float = Field(0.0, description="Magnitude whose flux is 1 in the pixels' unit.")
    source_magnitude: float = Field(
        24.34, description="Median magnitude of the sources before lensing; greater: a deeper survey, fainter arcs."
    )
    faintest_source: float = Field(28.0, description="Magnitude of the faintest sources, before lensing.")


class Split(Settings):
    """Which labelled images train, which choose the epoch, and which are held out."""

    method: Literal["ordered", "random", "grouped"] = Field(
        "ordered",
        description="ordered: the last in the order of IDs are held out; random: stratified by label; grouped: images "
        "of one halo (equal `group`) stay together.",
    )
    holdout: int = Field(2000, gt=0, description="Images held out.")
    validation: int = Field(
        0, ge=0, description="Images that choose the epoch; 0: the hold-out chooses it too, and every figure says so."
    )
    group: str = Field("Einstein_area", description="Column of the truth table that names the halo, for `grouped`.")
    seed: int = Field(0, ge=0, description="Seed of random and grouped splits.")


class Augmentation(Settings):
    """Random changes of the training images, drawn anew in every epoch, on the device."""

    flip: bool = Field(True, description="Mirror horizontally and vertically, each with probability 1/2.")
    symmetries: bool = Field(False, description="One of the 8 symmetries of the square (exact, no interpolation).")
    rotation_degrees: float = Field(90.0, ge=0, le=180, description="Rotate by an angle uniform in ± this.")
    zoom: Range | None = Field((0.6, 1.4), description="Magnify by a factor uniform in this range; null: never.")
    brightness: Range | None = Field(None, description="Multiply normalised pixels by a factor from this range.")
    offset: Range | None = Field(None, description="Add a number from this range to normalised pixels.")

    @field_validator("zoom", "brightness", "offset")
    @classmethod
    def _ascending(cls, value: Range | None) -> Range | None:
        if value is not None and value[0] > value[1]:
            raise ValueError(f"the lower end comes first, as in [{value[1]:g}, {value[0]:g}]")
        return value

    @field_validator("zoom")
    @classmethod
    def _positive(cls, value: Range | None) -> Range | None:
        if value is not None and value[0] <= 0:
            raise ValueError("zoom factors are greater than 0")
        return value


class Normalisation(Settings):
    """Constants Z = (X - mean) / std, given instead of measured."""

    mean: float = Field(description="In the unit of the pixels.")
    std: float = Field(gt=0, description="In the unit of the pixels.")


class Training(Settings):
    """How a network is trained. Each network has a recipe of its own for some of these; keys set here win over it."""

    epochs: int = Field(100, gt=0, description="Passes through the training images.")
    batch_size: int = Field(256, gt=0, description="Images per step.")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's.")
    patience: int | None = Field(
        None,
        gt=0,
        description="Stop when the loss on the images that choose the epoch has not fallen for so many epochs.",
    )
    best: Literal["auroc", "loss", "last"] = Field(
        "auroc",
        description="The epoch that is kept: the one of the highest AUROC or lowest loss on the validation images "
        "(the hold-out where validation is 0), or the last.",
    )
    balanced_batches: bool = Field(False, description="As many lenses as non-lenses in every batch.")
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "auto", description="auto: mixed_bfloat16 on a GPU, float32 on a CPU."
    )
    normalisation: Literal["training_set"] | Normalisation = Field(
        "training_set", description="Mean and standard deviation of all pixels of the training images, or constants."
    )
    allow_cpu: bool = Field(False, description="Let a job that was given a GPU, and sees none, go on without it.")


class Model(Training):
    """One network: what differs from `training` and `augmentation`, or a trained model by its path."""

    network: str | None = Field(None, description="Registered network; the model's own name where left out.")
    path: Path | None = Field(None, description="A trained .keras model: scored, never trained.")
    weights: Path | None = Field(None, description="Local file of ImageNet weights for a keras.applications network.")
    image_size: int | None = Field(None, gt=0, description="Resize to so many pixels a side inside the model.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout before the last layer of a keras.applications one.")
    augmentation: Augmentation = Field(Augmentation(), description="What differs from the section of this name.")


class Scoring(Settings):
    """Which images are scored by which models, and how."""

    datasets: tuple[str, ...] | None = Field(None, description="Data sets to score; null: all but `train`.")
    models: tuple[str, ...] | None = Field(None, description="Models that score; null: all.")
    symmetries: Literal[1, 8] = Field(
        1, description="8: score under the 8 symmetries of the square and take the geometric mean."
    )
    engine: Literal["auto", "keras", "openvino"] = Field(
        "auto", description="auto: openvino on a CPU, keras on a GPU; resolved once per run and recorded."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Of the arithmetic. Never chosen by the node, so that scores do not depend on it."
    )
    batch_size: int = Field(128, gt=0, description="Images at a time; does not change a score.")

    _each_once = field_validator("datasets", "models")(_distinct)


class Catalogue(Settings):
    """The ranked catalogue."""

    formats: tuple[Literal["fits", "vot", "csv", "parquet"], ...] = Field(
        ("fits", "vot", "csv", "parquet"), min_length=1, description="Formats to write."
    )

    _each_once = field_validator("formats")(_distinct)


class Evaluation(Settings):
    """Figures of merit."""

    threshold: Fraction = Field(0.5, description="Score from which an image counts as a lens in the confusion matrix.")


class Config(Settings):
    """The experiment. Machines (cores, memory, GPUs, partitions) are the profiles' business."""

    run: Name = Field("run", description="Everything goes below results/<run>/.")
    bands: tuple[Name, ...] = Field(("EUC_VIS",), min_length=1, description="Order of the channels in the shards.")
    cutout: Cutout = Field(Cutout(), description="What one image looks like.")
    datasets: dict[Name, Dataset] = Field({}, description="Data sets by name; `train` is the one that trains.")
    simulate: dict[Name, Simulate] = Field({}, description="Data sets made here instead of read.")
    shard_size: int = Field(10000, gt=0, description="Images per shard.")
    split: Split = Field(Split(), description="Training, validation and hold-out.")
    models: dict[Name, Model] = Field({}, description="Models by name; at least one.")
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (0, 1, 2), min_length=1, description="One training per model and seed."
    )
    training: Training = Field(Training(), description="For all models that do not say otherwise.")
    augmentation: Augmentation = Field(Augmentation(), description="For all models that do not say otherwise.")
    scoring: Scoring = Field(Scoring(), description="What is scored.")
    catalogue: Catalogue = Field(Catalogue(), description="What is written.")
    evaluation: Evaluation = Field(Evaluation(), description="Figures of merit.")

    _each_once = field_validator("bands", "seeds")(_distinct)

    @property
    def trained_models(self) -> tuple[str, ...]:
        """Models that this run trains."""
        return tuple(name for name, model in self.models.items() if model.path is None)

    @property
    def scoring_models(self) -> tuple[str, ...]:
        """Models that score."""
        return tuple(self.models) if self.scoring.models is None else self.scoring.models

    @property
    def scored_datasets(self) -> tuple[str, ...]:
        """Data sets that are scored."""
        if self.scoring.datasets is not None:
            return self.scoring.datasets
        return tuple(name for name in self.datasets if name != "train")

    def model_seeds(self, model: str) -> tuple[int, ...]:
        """Seeds of a model; a trained model by its path counts as one training, numbered 0."""
        return self.seeds if self.models[model].path is None else (0,)
