"""The policy: the plain one against PyTorch's own encoder, the fast one against the plain one, and dropout."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from torch import nn

from splithistory.fast_model import FastBlock, FastDropout, FastPolicy, initial_policy, predict_after_each
from splithistory.model import Architecture, Policy, predict

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8"))
SHAPE = ("d_model", "n_layers", "n_heads", "d_ff")
SIZES = {
    name: Architecture(**{key: size[key] for key in SHAPE}, context_length=CONFIG["sequence"]["context_length"])
    for name, size in CONFIG["sizes"].items()
}
TINY = Architecture(d_model=8, n_layers=2, n_heads=2, d_ff=12, context_length=20)


def contexts_of(n, seed=0):
    return np.random.default_rng(seed).integers(0, 16, (n, 20), dtype=np.uint8)


@pytest.mark.parametrize("architecture", [*SIZES.values(), TINY, Architecture(6, 1, 3, 5, 17)])
def test_the_number_of_parameters_is_the_real_count(architecture):
    assert architecture.n_parameters == sum(parameter.numel() for parameter in Policy(architecture).parameters())


def test_the_four_sizes_are_evenly_spaced_on_a_log_axis():
    counts = np.sort([architecture.n_parameters for architecture in SIZES.values()])
    assert len(counts) == 4
    assert counts[0] == pytest.approx(18_000, rel=0.03)
    assert counts[-1] == pytest.approx(402_000, rel=0.01)
    np.testing.assert_allclose(counts[1:] / counts[:-1], (402 / 18) ** (1 / 3), rtol=0.05)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"d_model \(10\) is not divisible by n_heads \(4\)"):
        Architecture(d_model=10, n_layers=1, n_heads=4, d_ff=8, context_length=20)


def torch_encoder(policy):
    """PyTorch's own pre-norm encoder with the policy's weights."""
    shape = policy.architecture
    layer = nn.TransformerEncoderLayer(
        shape.d_model, shape.n_heads, shape.d_ff, dropout=0.0, activation="relu", batch_first=True, norm_first=True
    )
    encoder = nn.TransformerEncoder(layer, shape.n_layers, nn.LayerNorm(shape.d_model), enable_nested_tensor=False)
    names = {
        "attention_norm": "norm1",
        "qkv": "self_attn.in_proj",
        "attention_out": "self_attn.out_proj",
        "mlp_norm": "norm2",
        "mlp_in": "linear1",
        "mlp_out": "linear2",
    }
    weights = {f"norm.{kind}": getattr(policy.final_norm, kind) for kind in ("weight", "bias")}
    for index, block in enumerate(policy.blocks):
        for ours, theirs in names.items():
            separator = "_" if theirs.endswith("in_proj") else "."
            for kind in ("weight", "bias"):
                weights[f"layers.{index}.{theirs}{separator}{kind}"] = getattr(getattr(block, ours), kind)
    encoder.load_state_dict(weights)
    return encoder


SHAPES = [TINY, SIZES["18k"], Architecture(12, 1, 3, 20, 20), Architecture(8, 3, 1, 8, 20)]


def plain_policy(architecture):
    """A plain policy in evaluation mode, with no bias at 0 and no norm at the identity."""
    torch.manual_seed(3)
    policy = Policy(architecture).eval()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return policy


@pytest.mark.parametrize("architecture", SHAPES)
def test_logits_are_those_of_torchs_encoder_at_the_last_position(architecture):
    policy = plain_policy(architecture)
    with torch.no_grad():
        tokens = torch.from_numpy(contexts_of(30)).long()
        stream = policy.token_embedding(tokens) + policy.position_embedding
        expected = policy.head(torch_encoder(policy).eval()(stream)[:, -1])
        torch.testing.assert_close(policy(tokens), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", SHAPES)
def test_the_fast_policy_has_the_plain_ones_logits_and_gradients(architecture):
    plain, fast = plain_policy(architecture).double(), FastPolicy(architecture, dropout=0.5).double().eval()
    fast.load_state_dict(plain.state_dict())  # strict: the same names
    tokens, targets = torch.from_numpy(contexts_of(30)).long(), torch.arange(30) % 16
    close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-12)
    close(fast(tokens), plain(tokens))
    for policy in (fast, plain):
        nn.functional.cross_entropy(policy(tokens), targets).backward()
    for (name, found), expected in zip(fast.named_parameters(), plain.parameters(), strict=True):
        close(found.grad, expected.grad, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("architecture", SHAPES)
def test_both_policies_draw_the_same_initial_parameters_in_the_same_order(architecture):
    torch.manual_seed(7)
    plain = Policy(architecture)
    fast = initial_policy(architecture, seed=7)
    assert list(plain.state_dict()) == list(fast.state_dict())
    for name, tensor in plain.state_dict().items():
        assert torch.equal(fast.state_dict()[name], tensor)


@pytest.mark.parametrize("n_layers", [1, 2])
def test_dropout_moves_the_logits_of_both_policies_alike(n_layers):
    """Mean and spread of one window's logits over many draws, within four of their standard errors."""
    plain, fast = (kind(Architecture(8, n_layers, 2, 12, 20), dropout=0.3) for kind in (Policy, FastPolicy))
    fast.load_state_dict(plain.state_dict())
    n = 20_000
    window = torch.from_numpy(contexts_of(1)).long().expand(n, -1)  # each row has a mask of its own
    torch.manual_seed(0)
    with torch.no_grad():
        one, other = plain(window), fast(window)  # (n, 16)
    assert (one.std(dim=0) > 0.01).all()
    for first, second in [(one, other), ((one - one.mean(dim=0)) ** 2, (other - other.mean(dim=0)) ** 2)]:
        standard_error = ((first.var(dim=0) + second.var(dim=0)) / n).sqrt()
        assert ((first.mean(dim=0) - second.mean(dim=0)).abs() < 4 * standard_error).all()


def test_the_last_position_alone_is_the_last_row_of_the_whole_block():
    torch.manual_seed(0)
    block = FastBlock(TINY, dropout=0.0).double()
    stream = torch.randn(5, 20, 8, dtype=torch.float64)
    torch.testing.assert_close(block(stream, last_only=True), block(stream)[:, -1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("sharpness", [1, 30])  # 30: attention to single positions
def test_logits_after_each_token_are_those_of_every_window_by_itself(n_layers, sharpness):
    policy = initial_policy(Architecture(8, n_layers, 2, 12, 20), seed=1).double()
    with torch.no_grad():
        for block in policy.blocks:
            block.qkv.weight.mul_(sharpness)
    contexts, tokens = contexts_of(30)[:, 1:], np.array([3, 0, 15], dtype=np.uint8)
    windows = np.concatenate([np.repeat(contexts, 3, axis=0), np.tile(tokens, 30)[:, None]], axis=1)
    together = predict_after_each(policy.train(), contexts, tokens, batch_size=7)
    torch.testing.assert_close(together, predict(policy, windows).view(30, 3, 16), rtol=1e-10, atol=1e-10)
    assert policy.training


def test_attention_reaches_every_position():
    policy = initial_policy(TINY, seed=0).eval()
    contexts = contexts_of(1)
    changed = np.repeat(contexts, 20, axis=0)
    changed[np.arange(20), np.arange(20)] ^= 1
    assert (predict(policy, changed) != predict(policy, contexts)).any(dim=1).all()


def dropped(rate, shape, seed=0):
    """Apply dropout to a tensor of ones, in training mode."""
    torch.manual_seed(seed)
    return FastDropout(rate).train()(torch.ones(shape))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    out = dropped(rate, (100, 1001))
    n_zero = int((out == 0).sum())
    assert binomtest(n_zero, out.numel(), rate).pvalue > 0.01
    standard_error = (rate / (1 - rate) / out.numel()) ** 0.5
    assert out.mean().item() == pytest.approx(1, abs=3 * standard_error)


@settings(deadline=None)
@given(rate=st.floats(0.01, 0.95), seed=st.integers(0, 2**32))
def test_kept_units_are_scaled_by_the_rounded_rate(rate, seed):
    rounded = round(rate * 65536) / 65536
    out = dropped(rate, 40, seed)
    assert torch.isin(out, torch.tensor([0.0, 1 / (1 - rounded)])).all()


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (5,), (3, 5, 7), (1, 1, 1), (0,)])
def test_dropout_of_odd_sizes_drops_every_unit_at_the_same_rate(shape):
    torch.manual_seed(0)
    dropout = FastDropout(0.3).train()
    zeros = sum((dropout(torch.ones(shape)) == 0).int() for _ in range(2000))
    assert zeros.shape == shape
    for count in zeros.ravel()[:10]:
        assert binomtest(int(count), 2000, 0.3).pvalue > 0.001


def test_units_are_dropped_independently_of_their_neighbours():
    zero = (dropped(0.5, 40_000) == 0).reshape(-1, 4).numpy()
    patterns = zero @ [1, 2, 4, 8]
    assert (abs(np.bincount(patterns, minlength=16) - 625) < 4 * 625**0.5).all()


def test_dropout_is_off_in_evaluation_and_at_rate_0():
    ones = torch.ones(100)
    assert FastDropout(0.5).eval()(ones) is ones
    assert FastDropout(0.0).train()(ones) is ones


def test_the_gradient_is_masked_like_the_output():
    torch.manual_seed(0)
    x = torch.randn(7, 13, requires_grad=True)
    out = FastDropout(0.4).train()(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), out.detach())
    assert (x.grad == 0).any()


def test_dropout_acts_in_training_only():
    policy = initial_policy(TINY, seed=0, dropout=0.5)
    tokens = torch.from_numpy(contexts_of(4)).long()
    assert not torch.equal(policy.train()(tokens), policy(tokens))
    assert torch.equal(policy.eval()(tokens), policy(tokens))


def test_an_initial_policy_is_its_seeds_and_leaves_the_random_state_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = (initial_policy(TINY, seed, dropout) for seed, dropout in [(0, 0.0), (0, 0.3), (1, 0.0)])
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert not torch.equal(first.position_embedding, other.position_embedding)


@pytest.mark.parametrize("training", [True, False])
def test_predict_is_one_forward_pass_and_restores_the_mode(training):
    policy = initial_policy(TINY, seed=0, dropout=0.5).train(training)
    contexts = contexts_of(25)
    logits = predict(policy, contexts, batch_size=7)
    assert policy.training == training
    assert not logits.requires_grad
    with torch.no_grad():
        whole = policy.eval()(torch.from_numpy(contexts).long())
    torch.testing.assert_close(logits, whole)
