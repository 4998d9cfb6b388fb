"""Try a machine in a minute: see the GPU, train a step on it, score on it, and compare with the CPU."""

import argparse

from lensrank.cli import run, set_up_tensorflow
from lensrank.preflight import preflight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpus", type=int, default=0, help="GPUs this job asked for; it fails where none is seen")
    parser.add_argument("--network", default="efficientnetb0", help="network to train for a step")
    parser.add_argument("--threads", type=int, help="CPU threads; all where left out")
    arguments = parser.parse_args()
    set_up_tensorflow()
    for line in preflight(arguments.gpus, arguments.network, arguments.threads):
        print(line, flush=True)


if __name__ == "__main__":
    run(main)
