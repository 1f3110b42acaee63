"""Measure the sequence's own generator as a policy, on the same windows as every policy."""

import argparse
from pathlib import Path

from splithistory.environment import environment_of
from splithistory.policy_measurement import MeasureSettings, generator_policy, repeats
from sweep import script
from sweep.chains import read_chains
from sweep.measurement_rows import measured_rows
from sweep.provenance import require_made_with
from sweep.schemas.measure import GENERATOR
from sweep.summary_files import write_summary
from sweep.windows import measured_contexts


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    environment = environment_of(settings["test"])
    require_made_with({arguments.test: settings["test"]})
    measure_settings = MeasureSettings(**settings["measure"])
    contexts = measured_contexts(read_chains(arguments.test), settings["context_length"], measure_settings.seed)
    measurements = repeats(generator_policy(contexts, environment), contexts, environment, settings=measure_settings)
    rows = list(measured_rows(measurements))
    made_by = script.made_by(arguments, "test", seconds=script.seconds())
    write_summary(rows, GENERATOR, arguments.generator, provenance=made_by)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--test", type=Path, required=True, help="test chains")
    options.add_argument("--generator", required=True, help="table of Op and Imp to write")
    script.run(main, options)
