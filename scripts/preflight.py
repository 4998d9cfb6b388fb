"""Try a machine in a minute: see the GPU, train a step on it, score on it, and compare with the CPU."""

import argparse
import os

from lensrank.cli import run
from lensrank.preflight import preflight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpus", type=int, default=0, help="GPUs this job asked for; it fails where none is seen")
    parser.add_argument("--network", default="efficientnetb0", help="network to train for a step")
    parser.add_argument("--threads", type=int, help="CPU threads; all where left out")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when it is imported
    for line in preflight(arguments.gpus, arguments.network, arguments.threads):
        print(line, flush=True)


if __name__ == "__main__":
    run(main)
