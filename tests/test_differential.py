"""Differential Op and Imp against Gaussians, and the Jacobians of a policy against direct differentiation."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from torch.distributions import MultivariateNormal, kl_divergence

from splithistory.differential import (
    LEAST_RECIPROCAL_CONDITION,
    differential_impact,
    differential_optimization,
    measure_differential,
    scalar_differential_impact,
    scalar_differential_optimization,
    square_differential_impact,
    square_differential_optimization,
)
from splithistory.environment import Recurrence
from splithistory.fast_model import initial_policy
from splithistory.model import Architecture
from splithistory.network_differential import (
    BlockDifferential,
    double_precision,
    network_differentials,
    network_jacobians,
)
from sweep.chains import write_chains
from sweep.checkpoints import save_checkpoint
from sweep.provenance import provenance
from sweep.schemas.differential import DIFFERENTIAL
from sweep.tables import read_table, write_table

SCRIPT = Path(__file__).parents[1] / "workflow_scripts" / "measure_pretrained.py"
TINY = Architecture(d_model=6, n_layers=3, n_heads=2, d_ff=10, context_length=5)
COMPONENTS = ("attention", "mlp")
FUTURES = ("block", "end")
KEYS = [(block, component, future) for block in range(3) for component in COMPONENTS for future in FUTURES]

SEEDS = st.integers(0, 2**32 - 1)
SIGNS = st.sampled_from([-1.0, 1.0])
# Scalars of either sign, far from 0 and from overflow.
SCALARS = st.builds(lambda sign, exponent: sign * 10**exponent, SIGNS, st.floats(-2, 2))


def normal(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def is_regular(matrix):
    values = np.linalg.svd(matrix, compute_uv=False)
    return values[-1] > 1e-2 * values[0]


def pairs(d_future, d_past):
    """J and K of equal shape, both well-conditioned."""
    return SEEDS.map(lambda seed: normal(seed, 2, d_future, d_past)).filter(lambda pair: all(map(is_regular, pair)))


SQUARE_PAIRS = st.integers(1, 6).flatmap(lambda d: pairs(d, d))
ALL_PAIRS = st.integers(1, 6).flatmap(lambda d_past: st.integers(1, d_past).flatmap(lambda d: pairs(d, d_past)))


# The formulas.


@settings(deadline=None)
@given(st.floats(-1e3, 1e3).filter(lambda r: abs(r) > 1e-3))
def test_a_scalar_has_no_impact_only_where_the_component_changes_nothing(r):
    impact = scalar_differential_impact(torch.tensor(r, dtype=torch.float64)).item()
    assert impact >= -1e-15
    if abs(r - 1) > 1e-6:
        assert impact > 0
    assert scalar_differential_impact(torch.tensor(1.0)) == 0


@settings(deadline=None)
@given(st.floats(1e-9, 1e9))
def test_the_least_impact_of_a_reversed_scalar_is_at_minus_a_half(size):
    least = scalar_differential_impact(torch.tensor(-0.5, dtype=torch.float64)).item()
    assert least == pytest.approx(1.443, abs=5e-4)
    assert scalar_differential_impact(torch.tensor(-size, dtype=torch.float64)).item() >= least - 1e-15


@pytest.mark.parametrize(
    ("ratio", "op", "imp"),
    [(1.0, 0.0, 0.0), (0.5, np.log(2), np.log(2) - 0.25), (-2.0, -np.log(2), 6 - np.log(2)), (-1.0, 0.0, 2.0)],
)
def test_scalars_by_hand(ratio, op, imp):
    ratio = torch.tensor(ratio, dtype=torch.float64)
    assert scalar_differential_optimization(ratio).item() == pytest.approx(op)
    assert scalar_differential_impact(ratio).item() == pytest.approx(imp)
    measures = measure_differential(3 * ratio[None, None], torch.full((1, 1), 3.0))
    assert measures.op == pytest.approx(op)
    assert measures.imp == pytest.approx(imp)


def squared_shift(jacobian, jacobian_fixed):
    """tr((KKᵀ)⁻¹ (J-K)(J-K)ᵀ), computed literally."""
    k, change = jacobian_fixed.numpy(), (jacobian - jacobian_fixed).numpy()
    return np.trace(np.linalg.inv(k @ k.T) @ change @ change.T)


@settings(deadline=None)
@given(ALL_PAIRS, st.floats(-4, 1))
def test_impact_is_at_least_what_the_shift_of_the_mean_makes_it(pair, exponent):
    fixed = pair[1]
    jacobian = fixed + 10**exponent * pair[0]  # from next to K to far from it
    assume(is_regular(jacobian))
    impact = measure_differential(jacobian, fixed).imp
    shift = squared_shift(jacobian, fixed)
    assert impact >= shift / 2 * (1 - 1e-6) - 1e-12
    assert shift > 0


@settings(deadline=None)
@given(ALL_PAIRS)
def test_impact_is_zero_at_equal_jacobians_and_positive_at_others(pair):
    assert measure_differential(pair[0], pair[0]).imp == pytest.approx(0, abs=1e-11)
    assert measure_differential(pair[0], pair[0]).op == 0
    assert measure_differential(*pair).imp > 1e-12


@settings(deadline=None)
@given(SQUARE_PAIRS)
def test_the_square_formulas_are_the_general_ones(pair):
    torch.testing.assert_close(
        square_differential_optimization(*pair), differential_optimization(*pair), rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(square_differential_impact(*pair), differential_impact(*pair), rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(st.lists(st.tuples(SCALARS, SCALARS), min_size=1, max_size=6))
def test_diagonal_jacobians_add_up_scalars(scalars):
    j, k = torch.tensor(scalars, dtype=torch.float64).T
    measures = measure_differential(torch.diag(j), torch.diag(k))
    assert measures.op == pytest.approx(scalar_differential_optimization(j / k).sum().item(), rel=1e-9, abs=1e-9)
    assert measures.imp == pytest.approx(scalar_differential_impact(j / k).sum().item(), rel=1e-9, abs=1e-9)


def test_sources_side_by_side_add_up_in_op_and_imp():
    jacobian, fixed = (torch.block_diag(*(normal(seed + k, n, n) for k, n in enumerate((2, 3)))) for seed in (0, 5))
    parts = [(jacobian[part, part], fixed[part, part]) for part in (slice(0, 2), slice(2, 5))]
    for measure in (differential_optimization, differential_impact):
        torch.testing.assert_close(measure(jacobian, fixed), sum(measure(*part) for part in parts))


def test_of_sources_one_after_the_other_op_is_the_sum_and_imp_need_not_be():
    """As a block's attention and MLP, which make I + A and then I + M; the second here undoes most of the first."""
    attention = torch.eye(3, dtype=torch.float64) + 0.5 * normal(0, 3, 3)
    mlp = torch.linalg.inv(attention) + 0.01 * normal(1, 3, 3)
    both, held = mlp @ attention, (mlp, attention)  # the Jacobian with attention held, and with the MLP held
    nothing = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(
        differential_optimization(both, nothing), sum(differential_optimization(both, fixed) for fixed in held)
    )
    assert differential_impact(both, nothing) < 0.1 * sum(differential_impact(both, fixed) for fixed in held)


@settings(deadline=None)
@given(ALL_PAIRS)
def test_the_general_formulas_are_the_methods_as_they_stand(pair):
    j, k = pair.numpy()
    gram, gram_fixed = j @ j.T, k @ k.T
    log_ratio = np.log(np.linalg.det(gram_fixed) / np.linalg.det(gram))
    trace = np.trace(np.linalg.inv(gram_fixed) @ (gram + (j - k) @ (j - k).T))
    measures = measure_differential(*pair)
    assert measures.op == pytest.approx(log_ratio / 2, abs=1e-8)
    assert measures.imp == pytest.approx((log_ratio - len(j) + trace) / 2, rel=1e-8, abs=1e-8)


@settings(deadline=None)
@given(ALL_PAIRS, SEEDS)
def test_measures_do_not_depend_on_the_futures_coordinates(pair, seed):
    change = normal(seed, pair.shape[-2], pair.shape[-2])
    assume(is_regular(change))
    measures, changed = measure_differential(*pair), measure_differential(*(change @ pair))
    assert changed.op == pytest.approx(measures.op, abs=1e-8)
    assert changed.imp == pytest.approx(measures.imp, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize(("d_future", "d_past"), [(1, 1), (3, 3), (1, 4), (2, 5)])
def test_measures_are_those_of_gaussians(d_future, d_past):
    rng = np.random.default_rng(d_future + d_past)
    j, k = rng.standard_normal((2, d_future, d_past))
    n, sigma = 40_000, 1.7
    past, other_past = sigma * rng.standard_normal((2, n, d_past))
    future = past @ j.T
    mean = other_past @ (j - k).T  # of F'|p''
    density = multivariate_normal(cov=sigma**2 * j @ j.T).logpdf
    density_fixed = multivariate_normal(cov=sigma**2 * k @ k.T).logpdf
    log_future = density(future)
    divergences = kl_divergence(
        MultivariateNormal(torch.zeros(d_future, dtype=torch.float64), torch.from_numpy(sigma**2 * j @ j.T)),
        MultivariateNormal(torch.from_numpy(mean), torch.from_numpy(sigma**2 * k @ k.T)),
    ).numpy()

    measures = measure_differential(torch.from_numpy(j), torch.from_numpy(k))
    assert_mean(measures.op, log_future - density_fixed(past @ k.T))  # F' less its mean
    assert_mean(measures.imp, log_future - density_fixed(future - mean))
    assert_mean(measures.imp, divergences)
    entropies = [
        MultivariateNormal(torch.zeros(d_future, dtype=torch.float64), torch.from_numpy(m @ m.T)).entropy().item()
        for m in (k, j)
    ]
    assert measures.op == pytest.approx(entropies[0] - entropies[1], abs=1e-9)


def assert_mean(expected, samples):
    """Check that values agree within four standard errors, and that these are small enough to be informative."""
    standard_error = samples.std() / len(samples) ** 0.5
    assert standard_error < 0.05 * max(abs(expected), 1)
    assert samples.mean() == pytest.approx(expected, abs=4 * standard_error)


# Where they are undefined.


def nearly_singular(seed, d_future, d_past, least):
    """A matrix of the given reciprocal condition number."""
    u, _, v = torch.linalg.svd(normal(seed, d_future, d_past), full_matrices=False)
    values = torch.ones(d_future, dtype=torch.float64)
    values[-1] = least
    return u @ torch.diag(values) @ v


@settings(deadline=None)
@given(SEEDS, st.sampled_from([(2, 2), (4, 4), (2, 5)]), st.sampled_from([0.0, 1e-300, 1e-17, 1e-12, 1e-9]))
def test_a_nearly_singular_jacobian_is_undefined_and_says_so(seed, shape, least):
    regular, bad = nearly_singular(seed, *shape, 0.5), nearly_singular(seed + 1, *shape, least)
    for pair, name in [((bad, regular), "J"), ((regular, bad), "K")]:
        measures = measure_differential(*pair)
        assert np.isnan(measures.op)
        assert np.isnan(measures.imp)
        assert str(measures.reasons) == f"{name} is near-singular"


@settings(deadline=None)
@given(SEEDS, st.sampled_from([(3, 3), (2, 5)]))
def test_an_ill_conditioned_jacobian_above_the_threshold_is_defined(seed, shape):
    regular, bad = nearly_singular(seed, *shape, 1), nearly_singular(seed + 1, *shape, 2 * LEAST_RECIPROCAL_CONDITION)
    assert measure_differential(bad, regular).op == pytest.approx(-np.log(2 * LEAST_RECIPROCAL_CONDITION), abs=1e-6)
    assert measure_differential(bad, regular).reasons == ""


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(3, 3), (2, 5)])
def test_a_jacobian_that_is_not_finite_is_undefined_and_its_neighbours_are_not(value, shape):
    j, k = normal(0, 2, 4, *shape)
    expected = measure_differential(j, k)
    j[1, 0, 1] = value
    k[2, 1, 0] = value
    measures = measure_differential(j, k)
    assert measures.reasons.tolist() == ["", "J is not finite", "K is not finite", ""]
    assert np.isnan(measures.op).tolist() == np.isnan(measures.imp).tolist() == [False, True, True, False]
    np.testing.assert_allclose(measures.op[[0, 3]], expected.op[[0, 3]])
    np.testing.assert_allclose(measures.imp[[0, 3]], expected.imp[[0, 3]])


def test_zero_jacobians_are_undefined():
    zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    assert str(measure_differential(zero, zero).reasons) == "J is near-singular"
    assert str(measure_differential(one, zero).reasons) == "K is near-singular"


def test_one_jacobian_that_is_rounding_next_to_the_other_is_undefined():
    measures = measure_differential(1e-17 * torch.eye(2), torch.eye(2))
    assert np.isnan(measures.op)
    assert str(measures.reasons) == "J is near-singular"


def test_batches_keep_their_shape():
    j, k = normal(0, 2, 3, 2, 4, 4)
    measures = measure_differential(j, k)
    assert measures.op.shape == measures.imp.shape == measures.reasons.shape == (3, 2)
    assert measures.imp[2, 1] == pytest.approx(measure_differential(j[2, 1], k[2, 1]).imp)
    assert measure_differential(j[0, :0], k[0, :0]).op.shape == (0,)


@pytest.mark.parametrize(
    ("shape", "shape_fixed", "message"),
    [
        ((2, 3), (3, 2), "expected two equal shapes"),
        ((3,), (3,), "expected two equal shapes"),
        ((3, 2), (3, 2), "d_f = 3, d_p = 2"),
        ((0, 2), (0, 2), "d_f = 0, d_p = 2"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shape, shape_fixed, message):
    with pytest.raises(ValueError, match=message):
        measure_differential(torch.ones(shape), torch.ones(shape_fixed))


# The policy.


def contexts_of(n, seed=0):
    return np.random.default_rng(seed).integers(0, 16, (n, TINY.context_length), dtype=np.uint8)


@pytest.fixture
def policy():
    """A policy with strong attention and MLPs, whose biases and norms are not the initial ones."""
    policy = initial_policy(TINY, seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return policy


def future_of_past(policy, streams, index, component, future):
    """The function from p to f in one window, a component's last output held where one is named.

    Works on whole blocks, through hooks, and so shares nothing with what it tests.

    Args:
        policy: in float64.
        streams: (T, d) before the block.
        index: of the block.
        component: held, or None.
        future: block or end.
    """
    block = policy.blocks[index]
    output = {"attention": block.attention_out, "mlp": block.mlp_out, None: None}[component]
    seen = []
    if output is not None:
        handle = output.register_forward_hook(lambda module, inputs, values: seen.append(values[:, -1:]))
        block(streams[None])
        handle.remove()

    def run(last):
        x = torch.cat([streams[:-1], last[None]])[None]
        if output is not None:
            handle = output.register_forward_hook(
                lambda module, inputs, values: torch.cat([values[:, :-1], seen[0]], dim=1)
            )
        x = block(x)
        if output is not None:
            handle.remove()
        for later in policy.blocks[index + 1 :] if future == "end" else []:
            x = later(x)
        return x[0, -1]

    return run


def finite_differences(function, x, step=1e-5):
    columns = [(function(x + step * e) - function(x - step * e)) / (2 * step) for e in torch.eye(len(x)).double()]
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize(
    ("differentiate", "tolerance"), [(finite_differences, 1e-6), (lambda f, x: torch.func.jacrev(f)(x), 1e-12)]
)
@pytest.mark.parametrize("future", FUTURES)
@pytest.mark.parametrize("index", range(TINY.n_layers))
def test_jacobians_of_a_policy_are_those_of_the_whole_function(policy, index, future, differentiate, tolerance):
    policy = double_precision(policy)
    contexts = torch.from_numpy(contexts_of(3)).long()
    found = list(network_jacobians(policy, contexts))[index][future]
    streams = policy.token_embedding(contexts) + policy.position_embedding
    for block in policy.blocks[:index]:
        streams = block(streams)
    close = partial(torch.testing.assert_close, rtol=tolerance, atol=tolerance)
    expected = {}
    for component in (None, *COMPONENTS):
        expected[component] = torch.stack(
            [differentiate(future_of_past(policy, one, index, component, future), one[-1]) for one in streams]
        )
        close(found.varying if component is None else found.fixed[component], expected[component])
    # The three differ by much more than the tolerance, so that none passes for another.
    for one, other in [(None, "attention"), (None, "mlp"), COMPONENTS]:
        assert (expected[one] - expected[other]).abs().max() > 0.01


def test_a_blocks_components_add_up_to_the_op_of_the_block(policy):
    contexts = torch.from_numpy(contexts_of(4)).long()
    for futures in network_jacobians(double_precision(policy), contexts):
        jacobians = futures["block"]
        parts = [measure_differential(jacobians.varying, fixed).op for fixed in jacobians.fixed.values()]
        held = torch.eye(TINY.d_model).expand_as(jacobians.varying)  # neither component passes on a change
        np.testing.assert_allclose(sum(parts), measure_differential(jacobians.varying, held).op, atol=1e-9)
        assert np.abs(parts).min() > 1e-3


def test_the_end_of_an_inner_block_includes_the_paths_through_other_positions(policy):
    """With attention of a later block cut off, the other positions lead nowhere and only the last one does."""
    policy = double_precision(policy)
    contexts = torch.from_numpy(contexts_of(3)).long()
    with_paths = next(network_jacobians(policy, contexts))
    for block in policy.blocks[1:]:
        block.attention_out.weight.zero_()
    without_paths = next(network_jacobians(policy, contexts))
    after = without_paths["block"].varying
    onward = torch.linalg.solve(after, without_paths["end"].varying, left=False)  # G with J_end = G J_block
    torch.testing.assert_close(
        without_paths["end"].fixed["mlp"], onward @ without_paths["block"].fixed["mlp"], rtol=1e-9, atol=1e-9
    )
    onward = torch.linalg.solve(with_paths["block"].varying, with_paths["end"].varying, left=False)
    assert (with_paths["end"].fixed["mlp"] - onward @ with_paths["block"].fixed["mlp"]).abs().max() > 0.01


def test_rows_measure_the_jacobians_in_every_chunk(policy):
    contexts = contexts_of(7)
    rows = network_differentials(policy, contexts, chunk_size=3)
    assert [(row.block, row.component, row.future) for row in rows] == KEYS
    jacobians = list(network_jacobians(double_precision(policy), torch.from_numpy(contexts).long()))
    for row in rows:
        varying, fixed = jacobians[row.block][row.future]
        expected = measure_differential(varying, fixed[row.component])
        np.testing.assert_allclose(row.op, expected.op, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(row.imp, expected.imp, rtol=1e-8, atol=1e-8)
        assert row.reason is None


def test_after_the_last_block_the_two_futures_are_one(policy):
    rows = {(row.block, row.component, row.future): row for row in network_differentials(policy, contexts_of(4))}
    for component in COMPONENTS:
        np.testing.assert_array_equal(rows[2, component, "block"].op, rows[2, component, "end"].op)
        np.testing.assert_array_equal(rows[2, component, "block"].imp, rows[2, component, "end"].imp)
        assert (rows[0, component, "block"].imp != rows[0, component, "end"].imp).all()


@pytest.mark.parametrize(("component", "other"), [COMPONENTS, COMPONENTS[::-1]])
def test_a_component_that_adds_nothing_has_no_op_and_no_imp(policy, component, other):
    output = {"attention": policy.blocks[1].attention_out, "mlp": policy.blocks[1].mlp_out}[component]
    with torch.no_grad():
        output.weight.zero_()  # its bias adds a constant, which changes no Jacobian
    rows = {(row.block, row.component, row.future): row for row in network_differentials(policy, contexts_of(5))}
    for future in FUTURES:
        np.testing.assert_allclose(rows[1, component, future].op, 0, atol=1e-10)
        np.testing.assert_allclose(rows[1, component, future].imp, 0, atol=1e-10)
        assert (rows[1, other, future].imp > 0.01).all()
        assert (np.abs(rows[1, other, future].op) > 1e-3).any()


@pytest.mark.parametrize("training", [True, False])
def test_the_policy_stays_as_it_is_and_dropout_is_off(training):
    policy = initial_policy(TINY, seed=1, dropout=0.5).train(training)
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    first, again = (network_differentials(policy, contexts_of(2)) for _ in range(2))
    for row, repeated in zip(first, again, strict=True):
        np.testing.assert_array_equal(row.imp, repeated.imp)
    assert policy.training == training
    assert all(parameter.requires_grad for parameter in policy.parameters())
    for name, tensor in policy.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[name])


def test_windows_without_a_finite_jacobian_are_counted_and_left_out(policy):
    contexts = contexts_of(9)
    has_token = (contexts == contexts[0, 0]).any(axis=1)
    assert 0 < has_token.sum() < 9
    healthy = network_differentials(policy, contexts[~has_token])
    with torch.no_grad():
        policy.token_embedding.weight[contexts[0, 0]] = torch.nan
    for row, expected in zip(network_differentials(policy, contexts), healthy, strict=True):
        assert row.reason == f"J is not finite ({has_token.sum()} of 9 windows)"
        np.testing.assert_array_equal(np.isnan(row.op), has_token)
        summary = row.summary()
        assert summary["n_windows"] == 9
        assert summary["n_undefined"] == has_token.sum()
        assert summary["imp_median"] == pytest.approx(np.median(expected.imp))


# The table.


def test_a_summary_holds_quartiles_over_defined_windows():
    row = BlockDifferential(
        block=1,
        component="mlp",
        future="end",
        op=np.array([4.0, np.nan, 0.0, 3.0, 1.0, 2.0]),
        imp=np.array([40.0, np.nan, 0.0, 30.0, 10.0, 20.0]),
        reason="J is near-singular (1 of 6 windows)",
    )
    assert row.summary() == {
        "block": 1,
        "component": "mlp",
        "future": "end",
        "op_low": 1.0,
        "op_median": 2.0,
        "op_high": 3.0,
        "imp_low": 10.0,
        "imp_median": 20.0,
        "imp_high": 30.0,
        "n_windows": 6,
        "n_undefined": 1,
        "reason": "J is near-singular (1 of 6 windows)",
    }


def test_a_row_without_any_defined_window_has_nulls_in_the_table(tmp_path):
    nothing = np.full(3, np.nan)
    row = BlockDifferential(0, "attention", "block", nothing, nothing, "K is not finite (3 of 3 windows)")
    write_table([row.summary()], DIFFERENTIAL, tmp_path / "table.parquet", {})
    (read,) = read_table(tmp_path / "table.parquet", DIFFERENTIAL).to_pylist()
    assert [name for name, value in read.items() if value is None] == [
        f"{measure}_{quartile}" for measure in ("op", "imp") for quartile in ("median", "low", "high")
    ]
    assert read["n_undefined"] == 3
    assert read["reason"] == "K is not finite (3 of 3 windows)"


PRETRAINING, TEST = {"seed": 0}, {"split": "test"}  # stand for the settings that made them


def run_script(folder, n_windows):
    options = {
        "checkpoint": folder / "checkpoint.parquet",
        "test": folder / "test.parquet",
        "differential": folder / "differential.parquet",
        "settings": json.dumps(
            {"measure": {"n_contexts_differential": n_windows, "seed": 0}, "pretraining": PRETRAINING, "test": TEST}
        ),
        "code": "",
        "log": folder / "job.log",
    }
    command = [sys.executable, SCRIPT, *(f"--{name}={value}" for name, value in options.items())]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_script_writes_a_row_a_block_component_and_future(tmp_path, policy):
    save_checkpoint(policy, tmp_path / "checkpoint.parquet", provenance(PRETRAINING, "code"))
    chains = Recurrence(0.01).generate_chains(8, 40, np.random.default_rng(0))
    write_chains(chains, tmp_path / "test.parquet", provenance(TEST, "code"))

    done = run_script(tmp_path, n_windows=6)
    assert done.returncode == 0, done.stderr
    rows = read_table(tmp_path / "differential.parquet", DIFFERENTIAL).to_pylist()
    assert [(row["block"], row["component"], row["future"]) for row in rows] == KEYS
    assert {row["n_windows"] for row in rows} == {6}
    assert {row["n_undefined"] for row in rows} == {0}
    assert {row["reason"] for row in rows} == {None}
    assert all(0 <= row["imp_low"] <= row["imp_median"] <= row["imp_high"] for row in rows)

    done = run_script(tmp_path, n_windows=9)
    assert done.returncode == 1
    assert done.stderr == (
        "error: measure.n_contexts_differential: 9 windows are asked for, but there are only 8 test chains\n"
    )
