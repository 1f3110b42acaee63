"""Training resumes only from a state that it left itself, unchanged; training that diverges leaves none."""

import copy
import hashlib
import logging
import math
import os
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
import torch

from splithistory.fast_model import initial_policy
from splithistory.model import predict
from splithistory.training_state import DivergedError, Observer, TrainingState
from sweep.errors import UserError
from sweep.schemas.finetune import REINFORCEMENT
from sweep.schemas.pretrain import PRETRAINING
from sweep.snapshots import FileSnapshots
from test_training import FINETUNE, PRETRAIN, TINY, VALIDATION, equal, finetuned, pretrained

TRAININGS = [(pretrained, PRETRAINING), (finetuned, REINFORCEMENT)]
STAGES = pytest.mark.parametrize(("train", "schema"), TRAININGS, ids=["pretraining", "reinforcement"])


class Collector(Observer):
    """Keeps a copy of every state."""

    def __init__(self):
        self.states = []

    def keep(self, state):
        self.states.append(copy.deepcopy(state))


@cache
def states_of(train, **options):
    """Read-only by convention."""
    collector = Collector()
    train(observer=collector, **options)
    return collector.states


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def kept(tmp_path):
    """The file of a state, midway through a pretraining."""
    return keep(tmp_path, states_of(pretrained)[1])


def keep(folder, state, **identity):
    """Keep a state, and return the file that it is kept in."""
    FileSnapshots(folder / "state", identity).keep(state)
    (path,) = folder.iterdir()
    return path


class Begun(Exception):  # noqa: N818
    """Ends a training before its first step, whose number it holds."""


def begins_at(path, train=pretrained, schema=PRETRAINING):
    """The first step of a training."""

    def track(steps):
        raise Begun(steps.start)

    with pytest.raises(Begun) as begun:
        train(observer=FileSnapshots(path.with_name("state"), {}, schema, track=track))
    return begun.value.args[0]


undisturbed = cache(lambda train: train())


def assert_ends_as_if_undisturbed(path, train=pretrained, schema=PRETRAINING):
    """Check that training ends like training without interruption, and leaves nothing but its own state."""
    policy, rows = train(observer=FileSnapshots(path.with_name("state"), {}, schema))
    expected, all_rows = undisturbed(train)
    assert equal(policy, expected)
    assert rows == all_rows
    assert [file for file in path.parent.iterdir() if file.name != "elsewhere"] == [path]
    assert path.is_file()
    assert not path.is_symlink()


def test_no_flipped_bit_passes(kept):
    content = kept.read_bytes()
    rng = np.random.default_rng(0)
    places = {0, len(content) - 1, *rng.integers(len(content), size=1000).tolist()}
    for place in places:
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << rng.integers(8)
        kept.write_bytes(spoilt)
        assert FileSnapshots(kept.with_name("state"), {}).latest() is None, place
        assert not kept.exists()


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def append(path):
    path.write_bytes(path.read_bytes() + b"\0")


def leave_out_the_checksum(path):
    """Write the state as earlier versions did."""
    path.write_bytes(path.read_bytes()[:-32])


def replace_by_a_folder(path):
    path.unlink()
    (path / "deeper").mkdir(parents=True)


def replace_by_a_link(path):
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def replace_by_a_dangling_link(path):
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def replace_by_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def replace_by_another_jobs(path):
    """Of the same shapes, with another seed."""
    path.unlink()
    state = states_of(pretrained, seed=1)[1]
    keep(path.parent, state, seed=1).rename(path)


SPOILT = [
    flip_a_bit,
    truncate,
    empty,
    append,
    leave_out_the_checksum,
    replace_by_a_folder,
    replace_by_a_link,
    replace_by_a_dangling_link,
    replace_by_a_pipe,
    replace_by_another_jobs,
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_file_that_is_no_state_is_discarded_with_a_warning(kept, caplog, spoil):
    spoil(kept)
    elsewhere = kept.with_name("elsewhere")
    before = elsewhere.read_bytes() if elsewhere.exists() else None
    assert begins_at(kept) == 1
    (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert str(kept) in warning.getMessage()
    assert_ends_as_if_undisturbed(kept)
    if before is not None:
        assert elsewhere.read_bytes() == before  # what a link leads to is none of ours


@pytest.mark.parametrize("kind", [replace_by_a_folder, replace_by_a_dangling_link])
def test_what_lies_in_the_place_of_another_configurations_state_is_deleted_too(kept, kind):
    kind(kept)
    assert FileSnapshots(kept.with_name("state"), {"code": "2"}).latest() is None
    assert list(kept.parent.iterdir()) == []


def changed(state, path, value):
    """Replace a value in a state, or delete it if the new one is `...`."""
    *parents, key = path
    state = copy.deepcopy(state)
    inner = state
    for parent in parents:
        inner = inner[parent]
    if value is ...:
        del inner[key]
    else:
        inner[key] = value(inner[key]) if callable(value) else value
    return state


def to_nan(tensor):
    return torch.full_like(tensor, math.nan)


HEAD = ("policy", "head.weight")
MEANS, SQUARES = (("optimizers", 0, name, 0) for name in ("means", "squares"))
# A place in a state, what it is set to, and what is said of it.
CHANGES = {
    "step far beyond the end": (("step",), 10**9, "step is 1000000000"),
    "step beyond the end": (("step",), 61, "step is 61"),
    "step 0": (("step",), 0, "step is 0"),
    "negative step": (("step",), -25, "step is -25"),
    "step without an evaluation": (("step",), 49, "step is 49"),
    "step of another evaluation": (("step",), 25, "rows are not those"),
    "no number of a step": (("step",), "50", "step is a str"),
    "a fraction of a step": (("step",), 50.0, "step is a float"),
    "truth for a step": (("step",), True, "step is a bool"),
    "no step": (("step",), ..., "has ["),
    "something more": (("more",), 1, "has ["),
    "no rows": (("rows",), [], "rows are not those"),
    "rows missing": (("rows",), ..., "has ["),
    "no list of rows": (("rows",), 5, "not iterable"),
    "a row missing": (("rows", 0), ..., "rows are not those"),
    "a row twice": (("rows",), lambda rows: [rows[0], *rows], "rows are not those"),
    "rows in another order": (("rows",), lambda rows: rows[::-1], "rows are not those"),
    "no row": (("rows", 1), [], ""),
    "NaN in a row": (("rows", 0, "train_loss"), math.nan, "rows are not all finite"),
    "text in a row": (("rows", 0, "train_loss"), "low", ""),
    "a column missing": (("rows", 1, "train_loss"), ..., "train_loss"),
    "a column more": (("rows", 1, "more"), 1.0, "more"),
    "a negative loss": (("rows", 1, "train_loss"), -1.0, "train_loss"),
    "an accuracy above 1": (("rows", 0, "validation_accuracy"), 1.5, "validation_accuracy"),
    "a tensor missing": (HEAD, ..., "has ["),
    "a tensor of another shape": (HEAD, lambda tensor: tensor[:, :-1], "[16, 7]"),
    "a tensor, transposed": (HEAD, lambda tensor: tensor.T, "[8, 16]"),
    "a tensor of another type": (HEAD, torch.Tensor.double, "float64"),
    "a list for a tensor": (HEAD, torch.Tensor.tolist, "is a list"),
    "NaN in a tensor": (HEAD, to_nan, "not all finite"),
    "no policy": (("policy",), None, "policy is a NoneType"),
    "no optimizers": (("optimizers",), [], "0 entries"),
    "an optimizer more": (("optimizers",), lambda optimizers: optimizers * 2, "2 entries"),
    "an optimizer of other steps": (("optimizers", 0, "n_steps"), 49, "not taken 50 steps"),
    "a mean missing": (MEANS, ..., "entries"),
    "a mean of another shape": (MEANS, lambda tensor: tensor[:1], "means[0]"),
    "a square of another shape": (SQUARES, lambda tensor: tensor[:1], "squares[0]"),
    "another generator": (("rng", "bit_generator"), "MT19937", "MT19937"),
    "half a generator": (("rng", "state", "inc"), ..., "has ["),
    "a generator's text": (("rng", "state", "state"), "0", "is a str"),
    "a generator's state too large": (("rng", "state", "state"), 2**200, ""),
    "a generator's negative state": (("rng", "state", "state"), -1, ""),
    "no generator": (("rng",), None, "rng is a NoneType"),
    "a short state of torch's generator": (("torch_rng",), lambda state: state[:-1], "torch_rng"),
    "no state of torch's generator": (("torch_rng",), torch.zeros_like, "Invalid"),
    "numbers for torch's generator": (("torch_rng",), torch.Tensor.float, "torch_rng"),
    "a GPU's generator": (("cuda_rng",), torch.zeros(16, dtype=torch.uint8), "cuda_rng"),
}


def write_state(path, state):
    """Write a state like other code might, with the right checksum."""
    torch.save(state, path)
    content = path.read_bytes()
    path.write_bytes(content + hashlib.sha256(path.name.encode() + content).digest())


@pytest.mark.parametrize(("place", "value", "said"), CHANGES.values(), ids=CHANGES)
def test_a_state_that_does_not_fit_its_training_is_discarded_with_the_reason(kept, caplog, place, value, said):
    write_state(kept, changed(states_of(pretrained)[1], place, value))
    assert begins_at(kept) == 1
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert str(kept) in warning
    assert said in warning


@pytest.mark.parametrize("state", [None, [], {}, 5, "state", torch.zeros(3)])
def test_what_is_no_state_at_all_is_discarded(kept, state):
    write_state(kept, state)
    assert begins_at(kept) == 1


@STAGES
def test_a_state_of_any_evaluation_is_gone_on_from(kept, train, schema):
    for state in states_of(train):
        write_state(kept, state)
        assert begins_at(kept, train, schema) == state["step"] + 1
        assert_ends_as_if_undisturbed(kept, train, schema)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("optimizers", 1), ...),
        (("optimizers", 1, "n_steps"), 3),
        (("rows", 0, "natural_loss"), math.inf),
        (("policy", "token_embedding.weight"), to_nan),
        (("step",), 3),
    ],
)
def test_a_state_that_does_not_fit_its_reinforcement_is_discarded(kept, place, value):
    write_state(kept, changed(states_of(finetuned)[1], place, value))
    assert begins_at(kept, finetuned, REINFORCEMENT) == 1


def test_a_state_of_the_other_stage_is_discarded(kept):
    assert begins_at(kept, finetuned, REINFORCEMENT) == 1


# Trainings that diverge

MAINTENANCE = FINETUNE.maintenance
# Which training, and what of its settings is far too high.
DIVERGING = {
    "pretraining": (pretrained, {"learning_rate": 1e30}),
    "pretraining, decaying": (pretrained, {"weight_decay": 1e30}),
    "pretraining, after a while": (pretrained, {"weight_decay": 3000.0, "evaluation_interval": 1}),
    **{
        f"{way}, {name}": (finetuned, {"successes": way, **changes})
        for way in ("sampled", "expected", "every")
        for name, changes in {
            "reinforcing": {"learning_rate": 1e30},
            "maintaining": {"maintenance": replace(MAINTENANCE, learning_rate=1e30)},
            "evaluated at each step": {"learning_rate": 1e30, "evaluation_interval": 1},
            "evaluated at the end": {"learning_rate": 1e30, "evaluation_interval": 5},
            "odd answers": {"learning_rate": 1e30, "action_tokens": "odd"},
        }.items()
    },
}


@pytest.mark.parametrize(("train", "changes"), DIVERGING.values(), ids=DIVERGING)
def test_a_training_that_diverges_stops_and_keeps_no_such_state(train, changes):
    collector = Collector()
    with pytest.raises(DivergedError, match=r"the training diverged by step \d+: .*(nan|inf)"):
        train(observer=collector, **changes)
    for state in collector.states:
        assert all(tensor.isfinite().all() for tensor in state["policy"].values())
        assert all(np.isfinite(value).all() for row in state["rows"] for value in row.values())


@pytest.mark.parametrize("way", ["sampled", "expected", "every"])
def test_reinforcement_stops_at_the_step_that_shows_it(way):
    """Not only at the next evaluation."""
    with pytest.raises(DivergedError, match="by step 2: reinforcement_loss is"):
        finetuned(successes=way, learning_rate=1e30, n_steps=50, evaluation_interval=50)


def test_a_parameter_that_no_loss_shows_counts_as_well():
    """A bias of minus infinity switches a hidden unit off, so that losses stay finite."""
    policy = initial_policy(TINY, seed=0)
    collector = Collector()
    state = TrainingState(policy, [], PRETRAIN, rng=np.random.default_rng(0), observer=collector)
    state.record(25, {"loss": 1.0})
    with torch.no_grad():
        policy.blocks[0].mlp_in.bias[0] = -math.inf
    assert predict(policy, VALIDATION[:10, :20]).isfinite().all()
    with pytest.raises(DivergedError, match="a parameter"):
        state.record(50, {"loss": 1.0})
    assert len(collector.states) == 1


class Spoiling(Observer):
    """Keeps states like another observer, and then makes parameters NaN."""

    def __init__(self, snapshots):
        self.snapshots = snapshots

    def keep(self, state):
        self.snapshots.keep(state)
        state["policy"]["head.bias"].fill_(math.nan)


@STAGES
def test_a_training_that_diverged_starts_anew_once_a_setting_is_lowered(tmp_path, train, schema):
    """Although its first evaluation was sound and left a state."""
    path = tmp_path / "stage,task=good2,size=tiny,seed=0"
    settings = {"learning_rate": 9.0, "weight_decay": 0.5, "maintenance": {"learning_rate": 7.0}}
    snapshots = FileSnapshots(path, {"rate": 9.0}, schema)
    with pytest.raises(UserError) as caught, snapshots.ended_by_divergence("stage", settings):
        train(observer=Spoiling(snapshots))
    for said in (
        "stage, task=good2, size=tiny, seed=0",
        "the training diverged by step",
        "stage.learning_rate (now 9.0)",
        "stage.maintenance.learning_rate (now 7.0)",
        "stage.weight_decay (now 0.5)",
        "rerun snakemake",
    ):
        assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    for rate in (9.0, 0.1):
        again = FileSnapshots(path, {"rate": rate}, schema)
        assert equal(train(observer=again)[0], undisturbed(train)[0])
        again.remove()
        assert again.resumed_at == 0


def test_only_settings_that_are_high_are_named(tmp_path):
    snapshots = FileSnapshots(tmp_path / "state", {})
    with pytest.raises(UserError) as caught, snapshots.ended_by_divergence("pretrain", asdict(PRETRAIN)):
        raise DivergedError("the training diverged")
    assert "pretrain.learning_rate (now 0.02)" in str(caught.value)
    assert "weight_decay" not in str(caught.value)
    assert "maintenance" not in str(caught.value)


def test_another_error_passes_and_leaves_the_state(kept):
    snapshots = FileSnapshots(kept.with_name("state"), {})
    with pytest.raises(ZeroDivisionError), snapshots.ended_by_divergence("pretrain", asdict(PRETRAIN)):
        raise ZeroDivisionError
    assert kept.exists()
