"""Measure one policy on the test chains: success, Op and Imp against every future, self-estimates, differentials."""

import argparse
from pathlib import Path

import numpy as np

from splithistory.actions import allowed_tokens, best_actions
from splithistory.environment import environment_of
from splithistory.fast_model import initial_policy
from splithistory.policy_measurement import MeasureSettings, bootstrap, repeats, simple_alternatives
from splithistory.rollouts import rolled_out
from splithistory.seeding import Stream, stream_rng
from splithistory.self_estimate import self_estimates
from splithistory.sequence import Tokens
from splithistory.task import Task
from sweep import script
from sweep.chains import read_chains
from sweep.checkpoints import load_checkpoint
from sweep.device import select_device
from sweep.differential import differential_rows
from sweep.measurement_rows import action_rows, bootstrap_rows, measured_rows, self_estimate_rows
from sweep.provenance import require_made_with
from sweep.schemas.differential import DIFFERENTIAL
from sweep.schemas.measure import ACTIONS, BOOTSTRAP, MEASURED, SELF_ESTIMATE, SUCCESS
from sweep.tables import write_table
from sweep.windows import measured_contexts


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    trained_with = settings["policy"]
    environment, action_tokens = environment_of(settings["test"]), trained_with["finetune"]["action_tokens"]
    measure_settings = MeasureSettings(**settings["measure"])
    device = select_device(arguments.device)
    require_made_with(
        {
            arguments.checkpoint: trained_with,
            arguments.pretrained: trained_with["pretraining"],
            arguments.test: settings["test"],
        }
    )
    policy, _ = load_checkpoint(arguments.checkpoint)
    pretrained, _ = load_checkpoint(arguments.pretrained)
    untrained = initial_policy(pretrained.architecture, trained_with["pretraining"]["seed"])
    contexts = measured_contexts(read_chains(arguments.test), policy.architecture.context_length, measure_settings.seed)

    def outcome_counts(actions: Tokens) -> np.ndarray:
        # The same noise for all policies, so that differences between them are due to their actions alone.
        noise_rng = stream_rng(measure_settings.seed, Stream.TEST_OUTCOMES)
        return np.bincount(environment.sample(contexts, noise_rng, actions), minlength=environment.n_outcomes)

    actions, actions_untrained, actions_pretrained = (
        best_actions(model.to(device), contexts, action_tokens) for model in (policy, untrained, pretrained)
    )
    alternatives = simple_alternatives(
        len(contexts), allowed_tokens(action_tokens), measure_settings.do_nothing_token
    ) | {"untrained": actions_untrained, "pretrained": actions_pretrained}
    measurements = list(repeats(actions, contexts, environment, settings=measure_settings, alternatives=alternatives))
    rollouts = rolled_out(
        policy,
        measure_settings.starts_of_rollouts(contexts),
        environment=environment,
        action_tokens=action_tokens,
        n_answers=measure_settings.rollout_length,
        rng=stream_rng(measure_settings.seed, Stream.ROLLOUTS),
    )
    measurements += repeats(
        best_actions(policy, rollouts, action_tokens),
        rollouts,
        environment,
        settings=measure_settings.of_rollouts,
        origin="rollouts",
    )
    draws = list(bootstrap(actions, contexts, environment, settings=measure_settings))
    estimates = list(self_estimates(policy, actions, contexts, settings=measure_settings))
    differentials = differential_rows(policy, contexts, measure_settings.n_contexts_differential)

    task = Task.from_settings("trained", trained_with, environment)
    counts = outcome_counts(actions)
    success = {
        "success_rate": counts @ np.array(task.utility) / len(contexts),
        "chance": task.chance,
        "n_contexts": len(contexts),
        "outcome_counts": counts,
        "outcome_counts_pretrained": outcome_counts(actions_pretrained),
        "off_alphabet_rate": np.mean(actions < environment.n_outcomes),
    }
    inputs = ("checkpoint", "pretrained", "test")
    made_by = script.made_by(arguments, *inputs, packages=["torch"], device=str(device), seconds=script.seconds())
    write_table([success], SUCCESS, arguments.success, provenance=made_by)
    write_table(measured_rows(measurements), MEASURED, arguments.measured, provenance=made_by)
    write_table(action_rows(measurements), ACTIONS, arguments.actions, provenance=made_by)
    write_table(bootstrap_rows(draws), BOOTSTRAP, arguments.bootstrap, provenance=made_by)
    write_table(self_estimate_rows(estimates), SELF_ESTIMATE, arguments.self_estimate, provenance=made_by)
    on_processor = made_by | {"device": "cpu"}  # differential measures are always taken there
    write_table(differentials, DIFFERENTIAL, arguments.differential, provenance=on_processor)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--device", required=True, help="cpu, cuda or auto")
    options.add_argument("--checkpoint", type=Path, required=True, help="the policy")
    options.add_argument("--pretrained", type=Path, required=True, help="the pretrained model it started from")
    options.add_argument("--test", type=Path, required=True, help="test chains")
    options.add_argument("--success", type=Path, required=True, help="table of outcomes to write")
    options.add_argument("--measured", type=Path, required=True, help="table of Op and Imp to write")
    options.add_argument("--actions", type=Path, required=True, help="table of the futures given each action to write")
    options.add_argument("--bootstrap", type=Path, required=True, help="table of bootstrap resamples to write")
    options.add_argument("--self-estimate", type=Path, required=True, help="table of self-estimates to write")
    options.add_argument("--differential", type=Path, required=True, help="table of differential Op and Imp to write")
    script.run(main, options)
