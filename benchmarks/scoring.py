"""Rows 6 to 10, 13 and 17: from files or shards to scores and a catalogue, on a CPU."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from data import CUTOUT, NETWORKS, PROJECT, SHAPE, Data
from method import Goal, PeakOfAll, Program, Row, cpu_flags, in_turns, once, peak_memory, rate, ratios

from lensrank.cli import TENSORFLOW
from lensrank.engines import EngineName

PRECISIONS = ("float32", "bfloat16")
NO_BFLOAT16 = "this CPU has no bfloat16 (AVX-512 BF16 or AMX)"
DEFAULT_SHARD = 10000
SEEDS = 10
STARTS = 5
MEMORY_GOAL = 1.5 * 2**30
"""Bytes."""


def rows_catalogue(data: Data, n: int, repetitions: int) -> list[Row]:
    """Measure rows 6 and 7: from a folder of n images to a catalogue."""
    settings = {"images": data.folder(n), "network": data.network("efficientnetb0"), "scratch": data.scratch}
    programs = {"report": Program("scoring.report", settings)}
    for precision in _precisions():
        programs[precision] = Program("scoring.catalogue", {**settings, "precision": precision})
    seconds = in_turns(programs, repetitions)
    rows = []
    for number, precision, goal in (("6", "float32", 1.7), ("7", "bfloat16", 2.8)):
        row = Row(
            number,
            f"score a folder to a catalogue, EfficientNetB0, {precision}",
            "the report's way: astropy loop, array in memory, `model.predict`",
            Goal(">=", goal),
            note="start-up left out on both sides; see row 17",
        )
        _fill(row, n, seconds["report"], seconds.get(precision))
        rows.append(row)
    return rows


def rows_runtime(data: Data, sizes: dict[str, int], repetitions: int) -> list[Row]:
    """Measure row 8, shards to score files against the bare runtime, and row 17, what a job takes to start.

    Args:
        data: what is measured on.
        sizes: images by network: enough that reading, which begins with few, is at its pace.
        repetitions: rounds; of starts there are `STARTS`.
    """
    rows = []
    for network in NETWORKS:
        n = sizes[network]
        settings = {"network": data.network(network), "shard": data.shard(n), "scratch": data.scratch}
        programs = {}
        for precision in _precisions():
            programs[f"ours {precision}"] = Program("scoring.stream", {**settings, "precision": precision})
            programs[f"bare {precision}"] = Program("scoring.bare", {**settings, "precision": precision, "n": n})
        seconds = in_turns(programs, repetitions)
        starting = {**settings, "shard": data.shard(16), "precision": "float32"}
        start = in_turns({"start": Program("scoring.start", starting)}, STARTS)["start"]
        for precision in PRECISIONS:
            row = Row("8", f"score shards, {network}, {precision}", "OpenVINO on a batch in memory", Goal(">=", 0.93))
            _fill(row, n, seconds.get(f"bare {precision}"), seconds.get(f"ours {precision}"))
            if row.ratios:
                row.costs = {
                    f"score_seconds_{network}_{precision}": median(seconds[f"ours {precision}"]) / n,
                    "score_bytes": _output(settings, precision).stat().st_size / n,
                    "cores": len(os.sched_getaffinity(0)),
                }
            rows.append(row)
            if row.ratios:
                rows.append(_start_row(network, precision, start, seconds[f"ours {precision}"], n))
    return rows


def _start_row(network: str, precision: str, start: list[float], scoring: list[float], n: int) -> Row:
    shard = [DEFAULT_SHARD * seconds / n for seconds in scoring]
    queued = median(start) + SLURM_SECONDS
    share = f"{queued / (queued + median(shard)):.0%}"
    return Row(
        "17",
        f"start of a scoring job of {DEFAULT_SHARD:,} images, {network}, {precision}",
        "its wall time",
        Goal("<=", 0.15),
        f"{median(start):.1f} s",
        f"{median(shard):.0f} s of scoring",
        [one / (one + median(shard)) for one in start],
        f"one column, the network converted before; with the {SLURM_SECONDS} s of SLURM and Snakemake {share}",
        {"score_start_seconds": median(start)},
    )


SLURM_SECONDS = 8
"""Of a job on the SLURM of the tests, beside what lensrank takes (profiles/README.md)."""


def rows_agreement(data: Data, n: int, fit: tuple[int, int]) -> list[Row]:
    """Measure rows 9 and 10: scores of networks trained on `fit` images and epochs against Keras's, on n images."""
    labels = np.resize(data.labels(), n).tolist()
    rows = []
    for network in NETWORKS:
        settings = {"network": data.network(network), "shard": data.shard(n), "labels": labels, "scratch": data.scratch}
        found = once(Program("scoring.agreement", {**settings, "precisions": _precisions()}, environment=TENSORFLOW))
        exact, rough = found["float32"], found.get("bfloat16")
        trained = found["spread"] >= LEAST_SPREAD
        auroc = f"AUROC {found['auroc']:.4f} and standard deviation {found['spread']:.2f} of the scores by Keras; "
        auroc += f"trained on {fit[0]:,} images, {fit[1]} epochs" if data.given is None else "trained before"
        auroc += "" if trained else ": too few to tell, as many scores are nearly alike"
        difference = Row(
            "9", f"float32 engine, {network}, {n:,} images", "Keras: greatest difference of a score", _SMALL
        )
        difference.ratios = [exact["difference"]] if trained else []
        own = f"of 128 images against the network in float64: {exact['error']:.1g}, Keras {found['keras']:.1g}"
        difference.note = f"{own}; {auroc}"
        area = Row("10", f"bfloat16 engine, {network}, {n:,} images", "Keras: difference of the AUROC", _AREA)
        order = Row("10", f"bfloat16 engine, {network}, {n:,} images", "Keras: rank correlation", _ORDER)
        area.note = order.note = auroc if rough else NO_BFLOAT16
        if rough and trained:
            area.ratios, order.ratios = [rough["auroc"]], [rough["correlation"]]
            area.note, order.note = auroc, f"greatest difference of a score {rough['difference']:.2g}"
        rows += [difference, area, order]
    return rows


LEAST_SPREAD = 0.05
"""Standard deviation of the scores of a network that has learned something; below it, rows 9 and 10 have no verdict."""
_SMALL, _AREA, _ORDER = Goal("<=", 1e-5), Goal("<=", 0.0005), Goal(">=", 0.9999)


def rows_memory(data: Data, small: int, large: int, few: int) -> list[Row]:
    """Measure row 13: the memory of the process that scores, by images and seeds; and that of whole jobs.

    What a network takes is the same for any number of images, so the first part has small ones, converted beforehand;
    whole jobs convert EfficientNetB0 as well, on `few` images.
    """
    peaks = {}
    for n in (small, large):
        for seeds in (1, SEEDS):
            settings = {"shard": data.shard(n), "seeds": seeds, "scratch": data.scratch, "converted": True}
            peaks[n, seeds] = once(Program("scoring.memory", settings))["process"]
    shown = "; ".join(f"{n:,} images, {seeds} seeds: {peak / 2**20:.0f} MiB" for (n, seeds), peak in peaks.items())
    growth = Row(
        "13", f"peak memory of scoring {large:,} images", f"{small:,}; most over least of both", Goal("<=", 1.1)
    )
    growth.ratios, growth.note = [max(peaks.values()) / min(peaks.values())], f"small networks; {shown}"
    rows = [growth]
    for seeds in (1, SEEDS):
        settings = {"shard": data.shard(few), "seeds": seeds, "scratch": data.scratch}
        found = once(Program("scoring.memory", {**settings, "network": data.network("efficientnetb0")}))
        what = f"peak memory of a scoring job, EfficientNetB0, {seeds} seed{'s' * (seeds > 1)}"
        whole = Row("13", what, "1.5 GiB", Goal("<=", 1.0))
        whole.ours, whole.ratios = f"{found['job'] / 2**30:.2f} GiB", [found["job"] / MEMORY_GOAL]
        whole.note = (
            f"its process and the one that converts, together; the first alone {found['process'] / 2**30:.2f} GiB"
        )
        rows.append(whole)
    return rows


def _precisions() -> list[str]:
    return ["float32", *(["bfloat16"] if {"avx512_bf16", "amx_bf16"} & cpu_flags() else [])]


def _fill(row: Row, n: int, theirs: list[float] | None, ours: list[float] | None) -> None:
    if theirs is None or ours is None:
        row.note = NO_BFLOAT16
        return
    row.ours, row.theirs, row.ratios = rate(n, ours), rate(n, theirs), ratios(theirs, ours)


def _engine(settings: dict[str, Any], name: EngineName = "openvino") -> Any:
    from lensrank.engines import make_engine

    cache = Path(settings["scratch"]) / "converted"
    return make_engine(Path(settings["network"]), SHAPE, name, settings["precision"], 128, None, cache)


def _output(settings: dict[str, Any], precision: str) -> Path:
    """Score file of `task_stream`."""
    return Path(settings["scratch"]) / f"{Path(settings['network']).stem}-{precision}.h5"


def _score(shard: Path, engine: Any, output: Path) -> None:
    """What `score_shard` does once the engine is there."""
    from lensrank.score import ScoreSettings, score_images
    from lensrank.scores import Column, Effort, Made, write_scores
    from lensrank.shards import read_table

    table = read_table(shard)
    scores = score_images(shard, len(table), engine, ScoreSettings(), "score")
    made, effort = Made("0" * 64, "openvino", "float32", 1), Effort(engine.device, 0.0)
    write_scores(output, shard.stem, table, [Column("frozen_0", scores, made, effort)])


def task_report(settings: dict[str, Any]) -> Callable[[], Any]:
    """The way of the report, by somebody who knows Keras: everything in memory, one call of `predict`."""
    import keras
    from astropy.io import fits

    import lensrank.models.layers  # noqa: F401  (the model's own layer)

    model = keras.saving.load_model(settings["network"], compile=False)
    files = sorted(Path(settings["images"]).rglob("*.fits"))

    def run() -> None:
        images = np.empty((len(files), *SHAPE), np.float32)
        for number, file in enumerate(files):
            images[number, :, :, 0] = fits.getdata(file)
        scores = model.predict(images, batch_size=128, verbose=0)[:, 0]
        lines = [f"{files[number].stem},{scores[number]}\n" for number in np.argsort(-scores)]
        Path(settings["scratch"], "report.csv").write_text("".join(lines))

    return run


def task_catalogue(settings: dict[str, Any]) -> Callable[[], Any]:
    """Index, ingest, score and rank a folder, one after another, in one process."""
    import ingest

    from lensrank.rank import RankSettings, rank_dataset

    engine = _engine(settings)
    work = Path(settings["scratch"]) / f"catalogue-{settings['precision']}"

    def run() -> None:
        shutil.rmtree(work, ignore_errors=True)
        ingest._index(Path(settings["images"]), DEFAULT_SHARD, work)
        ingest._ingest(work, "shard-0000")
        _score(work / "shard-0000.h5", engine, work / "scores.h5")
        rank_dataset("sky", RankSettings(run="x", columns=("frozen_0",)), [work / "scores.h5"], [work / "sky.csv"])

    return run


def task_stream(settings: dict[str, Any]) -> Callable[[], Any]:
    """Score a shard into a score file."""
    engine = _engine(settings)
    output = _output(settings, settings["precision"])
    return lambda: _score(Path(settings["shard"]), engine, output)


def task_bare(settings: dict[str, Any]) -> Callable[[], Any]:
    """OpenVINO on one batch in memory, over and over; batch and hints are the best that were found for it."""
    from lensrank.engines import openvino_engine
    from lensrank.shards import iterate_images

    openvino = openvino_engine.import_openvino()
    core = openvino.Core()
    network = core.read_model(
        *openvino_engine._converted(Path(settings["network"]), Path(settings["scratch"]) / "converted")
    )
    network.reshape([openvino_engine.BATCH, *SHAPE])
    hints = {
        "INFERENCE_PRECISION_HINT": openvino_engine.HINTS[settings["precision"]],
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0)),
    }
    queue = openvino.AsyncInferQueue(core.compile_model(network, "CPU", hints))
    _, images = next(iterate_images(settings["shard"], 1))
    batch = images[: openvino_engine.BATCH]

    def run() -> None:
        for _ in range(-(-settings["n"] // openvino_engine.BATCH)):
            queue.start_async({0: batch}, share_inputs=True)
        queue.wait_all()

    return run


def task_start(settings: dict[str, Any]) -> Callable[[], Any]:
    """A whole scoring job of a few images that finds its network converted."""
    scratch = Path(settings["scratch"])
    engine = scratch / "engine.json"
    engine.write_text(json.dumps({"engine": "openvino"}))
    cache, output = scratch / "start-cache", scratch / "start.h5"
    command = [sys.executable, PROJECT / "scripts/score.py", "--shard", settings["shard"], "--engine", engine]
    command += ["--model", "frozen", "0", settings["network"], "--cache", cache, "--output", output]
    subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL)
    network = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file() and path.stat().st_size > 10000}

    def run() -> float:
        shutil.rmtree(cache)
        for path, content in network.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        began = time.perf_counter()
        subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - began

    return run


def task_agreement(settings: dict[str, Any]) -> Callable[[], Any]:
    """Scores of one network by Keras and by OpenVINO."""
    from scipy.stats import rankdata

    from lensrank.metrics import auroc
    from lensrank.score import ScoreSettings, score_images
    from lensrank.shards import iterate_images

    shard, labels = Path(settings["shard"]), np.array(settings["labels"]) == 1

    def scores(name: str, precision: str) -> np.ndarray:
        return score_images(
            shard, len(labels), _engine({**settings, "precision": precision}, name), ScoreSettings(), name
        )

    def run() -> dict[str, Any]:
        keras = scores("keras", "float32")
        found: dict[str, Any] = {"auroc": auroc(keras, labels), "spread": float(keras.std())}
        exact = _in_float64(Path(settings["network"]), next(iterate_images(shard))[1])
        found["keras"] = float(np.abs(keras[: len(exact)] - exact).max())
        for precision in settings["precisions"]:
            other = scores("openvino", precision)
            found[precision] = {
                "difference": float(np.abs(other - keras).max()),
                "error": float(np.abs(other[: len(exact)] - exact).max()),
                "auroc": abs(auroc(other, labels) - found["auroc"]),
                "correlation": float(np.corrcoef(rankdata(keras), rankdata(other))[0, 1]),
            }
        return found

    return run


def _in_float64(network: Path, images: np.ndarray) -> np.ndarray:
    """Scores of the same network in float64: they tell how much of a difference is float32's own."""
    import keras

    from lensrank.models import load

    model = load(network, images.shape[1:])
    described = json.dumps(keras.saving.serialize_keras_object(model)).replace("float32", "float64")
    exact = keras.saving.deserialize_keras_object(json.loads(described))
    exact.set_weights(model.get_weights())
    return np.ravel(exact(images.astype(np.float64), training=False))


def task_memory(settings: dict[str, Any]) -> Callable[[], Any]:
    """A scoring job of several seeds; gives the peak memory of it, and of it and what it started together."""
    from lensrank.engines import prepare
    from lensrank.score import ScoreSettings, TrainedModel, score_shard

    scratch = Path(settings["scratch"])
    cache, output = scratch / "memory/cache", scratch / "memory/scores.h5"
    networks = _small_networks(scratch, settings["seeds"])
    if "network" in settings:
        networks = _copies(Path(settings["network"]), scratch, settings["seeds"])
    models = [TrainedModel("frozen", seed, network) for seed, network in enumerate(networks)]
    shutil.rmtree(scratch / "memory", ignore_errors=True)
    if settings.get("converted"):
        prepare(networks, "openvino", scratch / "small")
        shutil.copytree(scratch / "small", cache)

    def run() -> dict[str, int]:
        watch = PeakOfAll()
        watch.start()
        score_shard(Path(settings["shard"]), models, ScoreSettings(), "openvino", cache, output)
        return {"job": watch.end(), "process": peak_memory()}

    return run


def _copies(network: Path, scratch: Path, n: int) -> list[Path]:
    """A network under n names, each a file of its own, so that each is converted and scored."""
    paths = [scratch / f"models/copy-{number}.keras" for number in range(n)]
    for number, path in enumerate(paths):
        shutil.copyfile(network, path)
        with zipfile.ZipFile(path, "a") as file:
            file.comment = str(number).encode()
    return paths


def _small_networks(scratch: Path, n: int) -> list[Path]:
    """Small networks with different weights, made by a program so that Keras's memory is not this one's."""
    paths = [scratch / f"models/tiny-{seed}.keras" for seed in range(n)]
    if not all(path.exists() for path in paths):
        code = (
            "import sys, keras\nfrom lensrank.models import build\nfrom lensrank.config.settings import Model\n"
            "from lensrank.normalise import Normalisation\nfor seed, path in enumerate(sys.argv[1:]):\n"
            "    keras.utils.set_random_seed(seed)\n"
            f"    build('tiny', Model(), {CUTOUT.shape}, 1, Normalisation((0.0,), (1e-12,))).save(path)\n"
        )
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-c", code, *map(str, paths)], check=True)
    return paths
