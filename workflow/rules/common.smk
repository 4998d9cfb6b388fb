# Names that all rules share: the checked configuration, paths of results, and which shards a data set has.
import json
import re
import shlex
import sys
from pathlib import Path

import lensrank
from lensrank import restart, slurm
from lensrank.config import tell
from lensrank.config.read import read_config
from lensrank.errors import LensrankError
from lensrank.files import check_writable, file_digest
from lensrank.fingerprint import fingerprint
from lensrank.lists import shard_names
from lensrank.repeats import repeats
from lensrank.simulate.parts import parts
from lensrank.steps import STEP_VERSIONS
from lensrank.truthfile import find_truth, truth_file
from snakemake.exceptions import WorkflowError

PROJECT = Path(lensrank.__file__).resolve().parents[2]

# Jobs use the Python that runs Snakemake, whether its environment was activated or not.
shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    f" SCRIPTS={shlex.quote(str(PROJECT / 'scripts'))}; "
)


# Used under --sdm apptainer alone; envs/Containerfile says how to build it. Snakemake takes no image below a folder
# with a space in its name.
if not re.search(r"\s", str(PROJECT)):

    container: str(PROJECT / "envs/lensrank.sif")


if not config:
    raise WorkflowError("no configuration was given: add --configfile config/demo.yaml, or another of config/")
try:
    CONFIG = read_config(config, source=", ".join(map(str, workflow.configfiles)) or "configuration")
except LensrankError as error:
    raise WorkflowError(str(error)) from None

RESULTS = Path("results") / CONFIG.run

JUDGED = ("roc", "confusion", "thresholds", "lensed_pixels")


wildcard_constraints:
    dataset="|".join(map(re.escape, CONFIG.datasets)) or "(?!)",
    model="|".join(map(re.escape, CONFIG.models)),
    seed=r"\d+",
    shard=r"shard-\d\d\d\d+",
    part=r"part-\d\d\d\d+",


def result(path):
    """A path below the run's results."""
    return str(RESULTS / path)


def logfile(path):
    """A path below the run's logs."""
    return result(f"logs/{path}.log")


def benchmark_file(path):
    """A path below the run's benchmarks: wall time, memory and load of every job."""
    return result(f"benchmarks/{path}.tsv")


def images_of(dataset):
    """The folder, archive or re-pack that a data set's images lie in."""
    made = result(f"simulated/{dataset}")
    return made if dataset in CONFIG.simulate else str(CONFIG.datasets[dataset].images)


def simulated_images(wildcards):
    """A simulated data set is made first; of others the fingerprint tells whether they changed."""
    return images_of(wildcards.dataset) if wildcards.dataset in CONFIG.simulate else []


def simulated_parts(wildcards):
    """The parts of a simulated data set; none of one that a single job makes."""
    names = parts(CONFIG.simulate[wildcards.dataset].n)
    return [result(f"cache/simulated/{wildcards.dataset}/{name}") for name in names]


def part_images(wildcards):
    """The images of a part: the first, and the one after the last."""
    images = parts(CONFIG.simulate[wildcards.dataset].n)[wildcards.part]
    return [images.start, images.stop]


def images_fingerprint(wildcards):
    """What changes when an image of a data set is added, changed or removed."""
    if wildcards.dataset in CONFIG.simulate:
        return tell.simulate(CONFIG, wildcards.dataset)
    dataset = CONFIG.datasets[wildcards.dataset]
    return fingerprint(dataset.images, dataset)


def index_of(dataset):
    """The outputs of a data set's index, made first where they are not there."""
    return checkpoints.index.get(dataset=dataset).output


def shards_of(dataset, suffix):
    """One file per shard of a data set, such as all its digests."""
    names = shard_names(Path(index_of(dataset).lists))
    return [result(f"shards/{dataset}/{name}{suffix}") for name in names]


def list_digest(wildcards):
    """The digest of a shard's list, 64 bytes that are compared by content; the list itself may be too large for that."""
    return f"{index_of(wildcards.dataset).lists}/{wildcards.shard}.digest"


def scores_of(dataset):
    """The score files of a data set."""
    return [result(f"scores/{dataset}/{name}.h5") for name in shard_names(Path(index_of(dataset).lists))]


def truth_of(dataset):
    """The truth table of a data set, or None: the configuration names it, or the index found it."""
    settings = CONFIG.datasets[dataset]
    found = truth_file(Path(index_of(dataset).truth)) if settings.truth == "auto" else None
    return find_truth(dataset, settings, found)


def training_truth(wildcards):
    """The truth table of the training set; without one, the index's word that there is none, for the error's sake."""
    return truth_of("train") or index_of("train").truth


def split_outputs():
    """The outputs of the split, made first where they are not there.

    Where a checkpoint is due, Snakemake takes all that follows for due as well. Once it is made, only jobs that asked for
    it are judged anew: so whatever follows the split asks for the index before it, too.
    """
    index_of("train")
    return checkpoints.split.get().output


def split_digest(wildcards):
    """The digest of the split and its images: another truth table may give the same."""
    return split_outputs().digest


def split_shards(wildcards):
    """The shards that hold images of the split."""
    record = json.loads(Path(split_outputs().record).read_text())
    return ancient([result(f"shards/train/{name}.h5") for name in record["shards"]])


def trained(wildcards):
    """The split, as an input of everything that follows a training, for the sake of `split_outputs`."""
    return ancient(split_digest(wildcards)) if CONFIG.trained_models else []


def settled(wildcards):
    """As `trained`, for what follows everything."""
    for dataset in CONFIG.datasets:
        index_of(dataset)
    return trained(wildcards)


def list_digests(wildcards):
    """The digests of a data set's lists."""
    lists = index_of(wildcards.dataset).lists
    return [f"{lists}/{name}.digest" for name in shard_names(Path(lists))]


def resume_folder(model, seed):
    """Where the state of a training lies between its epochs."""
    return result(f"cache/train/{model}/seed-{seed}")


def trainings():
    """(model, seed) of every training of this run."""
    return [(model, seed) for model in CONFIG.trained_models for seed in CONFIG.seeds]


def tell_repeats():
    """Say which finished trainings will be repeated, before GPU hours are spent on them again."""
    wanted = {(model, seed): tell.train(CONFIG, model) for model, seed in trainings()}
    for line in repeats(RESULTS, wanted, tell.split_record(CONFIG) if wanted else {}):
        print(line, file=sys.stderr)


def check_places():
    """Say in a line that nothing can be written where a run keeps its results and Snakemake its notes and its lock."""
    try:
        for folder in (".snakemake", RESULTS):
            check_writable(folder)
    except LensrankError as error:
        raise WorkflowError(str(error)) from None
    if killed := restart.tell_killed(Path(), CONFIG.run):
        print(killed, file=sys.stderr)


def begin(logs):
    """Note that this process makes the run, and keep others out until it ends."""
    global START
    try:
        if workflow.executor_plugin.name == "slurm":
            slurm.check_status_command(workflow.executor_settings.status_command)
        START = restart.note_start(Path(), CONFIG.run, workflow.executor_plugin.name, logs)
    except LensrankError as error:
        raise WorkflowError(str(error)) from None


def end():
    """Forget what is needed only while a run goes on: who makes it, and the states of trainings that have ended."""
    from lensrank import resume  # takes most of a second, and each job of a cluster reads this file

    for model, seed, folder in training_folders():
        if Path(folder, "provenance.json").exists():
            resume.remove(resume_folder(model, seed))
    try:
        restart.note_end(Path(), CONFIG.run)
    except LensrankError as error:
        print(error, file=sys.stderr)


def scorers():
    """(model, seed, path of the model) of everything that scores."""
    return [
        (model, seed, str(CONFIG.models[model].path or result(f"train/{model}/seed-{seed}/model.keras")))
        for model in CONFIG.scoring_models
        for seed in CONFIG.model_seeds(model)
    ]


CONVERTED = result("converted.json")


def converted():
    """The note that all networks are ready for the engine; Keras takes them as they are."""
    return [CONVERTED] if CONFIG.scored_datasets and CONFIG.scoring.engine != "keras" else []


def training_records():
    """Records of the trainings that score: small, so that Snakemake compares their content, digest of the model in it."""
    trained = [(model, seed) for model, seed, _ in scorers() if CONFIG.models[model].path is None]
    return [result(f"train/{model}/seed-{seed}/provenance.json") for model, seed in trained]


def frozen_digests():
    """Digests of the models that were trained elsewhere; a model is too large for Snakemake to compare its content."""
    paths = [Path(path) for model, _, path in scorers() if CONFIG.models[model].path is not None]
    return [file_digest(path) for path in paths if path.is_file()]


def training_folders(model=None):
    """(model, seed, folder) of every training, or of one model's."""
    return [(name, seed, result(f"train/{name}/seed-{seed}")) for name, seed in trainings() if model in (None, name)]


def holdout_arguments(model=None):
    """Where the hold-out scores of the trainings lie, as arguments."""
    return [word for name, seed, folder in training_folders(model) for word in ("--holdout", name, seed, folder)]


def holdout_files(model=None):
    """The files behind `holdout_arguments`."""
    names = ("holdout.csv", "history.csv", "provenance.json")
    return [f"{folder}/{name}" for _, _, folder in training_folders(model) for name in names]


def train_arguments(model):
    """Where the histories of a model's trainings lie, as arguments."""
    return [word for _, seed, folder in training_folders(model) for word in ("--train", seed, folder)]


def judged_datasets(images=None):
    """Scored data sets with a truth table: all, or the one that is named, which may be none ("holdout")."""
    datasets = [dataset for dataset in CONFIG.scored_datasets if images in (None, dataset)]
    return [dataset for dataset in datasets if truth_of(dataset) is not None]


def holdout_truth(images=None):
    """The truth table of the hold-out, where that is among the images: it says how much of each lens can be seen."""
    return [training_truth(None)] if CONFIG.trained_models and images in (None, "holdout") else []


def score_arguments(images=None):
    """Where the scores and the truth of labelled data sets, and the truth of the hold-out, lie, as arguments."""
    words = [
        word for truth in holdout_truth(images) for word in ("--truth", "train", truth, tell.dataset(CONFIG, "train"))
    ]
    for dataset in judged_datasets(images):
        words += ["--scores", dataset, *scores_of(dataset)]
        words += ["--truth", dataset, truth_of(dataset), tell.dataset(CONFIG, dataset)]
    return words


def labelled_files(images=None):
    """The files behind `score_arguments`."""
    files = [path for dataset in judged_datasets(images) for path in (*scores_of(dataset), truth_of(dataset))]
    return holdout_truth(images) + files


def model_arguments():
    """Everything that scores, as arguments."""
    return [word for model, seed, path in scorers() for word in ("--model", model, seed, path)]


def figures(wildcards):
    """Every figure that this run has the data for."""
    judged = [(model, "holdout") for model in CONFIG.trained_models]
    judged += [(model, dataset) for dataset in judged_datasets() for model in CONFIG.scoring_models]
    names = [f"{kind}_{model}_{images}" for model, images in judged for kind in JUDGED]
    names += [f"auroc_epochs_{model}" for model in CONFIG.trained_models]
    names += ["examples"] if CONFIG.trained_models else []
    return [result(f"figures/{name}.{suffix}") for name in names for suffix in ("png", "svg")]


def truth_reports(wildcards):
    """How the truth tables match the images."""
    return [result(f"truth/{dataset}.txt") for dataset in CONFIG.datasets if truth_of(dataset) is not None]


def checkpoint_files():
    """Everything that checkpoints make.

    Asked for by name: where a file is gone that was asked for by way of the checkpoint alone, Snakemake takes the
    checkpoint for due but nothing for missing, and says that there is nothing to be done.
    """
    names = ("shards", "assignment.csv", "rejects.csv", "truth.json", "summary.json", "summary.txt")
    splits = [f"split.{suffix}" for suffix in ("csv", "digest", "json")] if CONFIG.trained_models else []
    return [result(f"index/{dataset}/{name}") for dataset in CONFIG.datasets for name in names] + [*map(result, splits)]


def catalogues():
    """The catalogues in all formats, and the submissions."""
    written = [f"catalogue/{name}.{suffix}" for name in CONFIG.scored_datasets for suffix in CONFIG.catalogue.formats]
    return [*map(result, written), *(result(f"submission/{name}.csv") for name in CONFIG.scored_datasets)]


def metrics(wildcards):
    """The tables of the evaluation, where there is anything to judge."""
    names = ("seeds", "summary", "comparison", "lensed_pixels") if trainings() or judged_datasets() else ()
    return [result(f"metrics/{name}.csv") for name in names]
