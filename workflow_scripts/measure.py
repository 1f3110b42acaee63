"""Measure one policy on the test chains: its outcomes, its Op and its Imp."""

import argparse
from pathlib import Path

import numpy as np

from splithistory.actions import best_actions
from splithistory.information import good_mask
from splithistory.policy_measurement import MeasureSettings, deterministic_policy, repeats
from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import N_OUTCOMES, sample_outcomes
from sweep import script
from sweep.chains import read_chains
from sweep.checkpoints import load_checkpoint
from sweep.device import select_device
from sweep.measured import action_rows, measured_contexts, measured_rows
from sweep.provenance import provenance
from sweep.tables import write_table


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    noise, action_tokens = settings["noise"], settings["action_tokens"]
    measure_settings = MeasureSettings(**settings["measure"])
    device = select_device(arguments.device)
    policy, _ = load_checkpoint(arguments.checkpoint)
    pretrained, _ = load_checkpoint(arguments.pretrained)
    contexts = measured_contexts(read_chains(arguments.test), policy.architecture.context_length, measure_settings.seed)
    with script.seconds() as elapsed:
        actions = best_actions(policy.to(device), contexts, action_tokens)  # (n,)
        measurements = list(repeats(deterministic_policy(actions), contexts, noise, measure_settings))
        outcome_counts, outcome_counts_pretrained = (
            np.bincount(
                # The same noise for both, so that their difference is the policies' own.
                sample_outcomes(contexts, answers, noise, stream_rng(measure_settings.seed, Stream.TEST_OUTCOMES)),
                minlength=N_OUTCOMES,
            )
            for answers in (actions, best_actions(pretrained.to(device), contexts, action_tokens))
        )
        made_by = provenance(settings, ["torch"], device=str(device), seconds=elapsed())

    good = good_mask(settings["good"], N_OUTCOMES)
    success = {
        "success_rate": outcome_counts[good].sum() / len(contexts),
        "chance": good.mean(),
        "n_contexts": len(contexts),
        "outcome_counts": outcome_counts,
        "outcome_counts_pretrained": outcome_counts_pretrained,
        "off_alphabet_rate": np.mean(actions < N_OUTCOMES),
    }
    write_table([success], "finetuned/success", arguments.success, made_by)
    write_table(measured_rows(measurements), "finetuned/measured", arguments.measured, made_by)
    write_table(action_rows(measurements), "finetuned/actions", arguments.actions, made_by)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--device", required=True, help="cpu, cuda or auto")
    options.add_argument("--checkpoint", type=Path, required=True, help="the policy")
    options.add_argument("--pretrained", type=Path, required=True, help="the pretrained model it started from")
    options.add_argument("--test", type=Path, required=True, help="test chains")
    options.add_argument("--success", type=Path, required=True, help="table of outcomes to write")
    options.add_argument("--measured", type=Path, required=True, help="table of Op and Imp to write")
    options.add_argument("--actions", type=Path, required=True, help="table of the futures given each action to write")
    script.run(main, options)
