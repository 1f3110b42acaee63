"""Checks of relations between the keys of a configuration, which a schema cannot express."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from splithistory.sequence import N_OUTCOMES, N_TOKENS
from sweep.configuration.names import unusable
from sweep.configuration.schema import Key
from sweep.configuration.wording import Problem, dotted, expected, near, shown


class _Sound:
    """Reads values of a configuration that are not affected by any problem."""

    def __init__(self, config: Any, unsound: set[Key]) -> None:
        self.config = config
        self.unsound = unsound

    def __call__(self, *key: str | int) -> Any:
        """Return the value at a key; None if it is missing, or if it or a section around it is unsound."""
        if not self.reaches(key):
            return None
        value = self.config
        for part in key:
            if isinstance(value, Mapping) and part not in value:
                return None
            value = value[part]
        return value

    def reaches(self, key: Key) -> bool:
        """Return whether neither the value at a key nor a section around it is unsound."""
        return not self.unsound or not any(key[:length] in self.unsound for length in range(len(key) + 1))

    def names(self, section: str) -> list[str]:
        """List the names in the section of sizes or tasks; none if it is unsound."""
        return list(self(section) or ())

    def first(self, sections: Sequence[Key], *key: str) -> tuple[Key, Any] | None:
        """Find the first section that has a key, and its value there; None if an unsound one comes first."""
        for section in sections:
            if not self.reaches((*section, *key)):
                return None
            value = self(*section, *key)
            if value is not None:
                return (*section, *key), value
        return None


def relation_problems(config: Any, unsound: set[Key]) -> Iterator[Problem]:
    """Find contradictions between keys that are sound by themselves.

    Args:
        config: the merged configuration.
        unsound: keys whose values are problems already.
    """
    sound = _Sound(config, unsound)
    for kind in ("sizes", "tasks"):
        yield from _undefined_names(sound, kind)
        yield from _unusable_names(sound, kind)
    for size in sound.names("sizes"):
        yield from _uneven_heads(sound, size)
    for task in sound.names("tasks"):
        yield from _unclear_reward(sound, task)
    yield from _unreached_outcomes(sound)
    yield from _short_chains(sound)
    yield from _few_test_chains(sound)
    # Tasks without their own settings, of which there may be thousands, all have the same relations to the sizes.
    has_own = {task: sound("tasks", task, "finetune") is not None for task in sound.names("tasks")}
    tasks = [task for task, own in has_own.items() if own]
    tasks += [task for task, own in has_own.items() if not own][:1]
    for size in sound.names("sizes"):
        pretrain = [("sizes", size, "pretrain"), ("pretrain",)]
        yield from _rare_evaluation(sound, pretrain)
        yield from _long_schedule(sound, pretrain)
        for task in tasks:
            finetune = [("tasks", task, "finetune"), ("sizes", size, "finetune"), ("finetune",)]
            yield from _rare_evaluation(sound, finetune)
            yield from _long_schedule(sound, finetune)
            yield from _large_maintenance(sound, finetune)


def _undefined_names(sound: _Sound, kind: str) -> Iterator[Problem]:
    defined = sound(kind)
    for index in range(len(sound("sweep", kind) or ())):
        name = sound("sweep", kind, index)
        if defined and name is not None and name not in defined:
            names = ", ".join(dotted((known,)) for known in defined)
            meant = near(name, list(defined), "did you mean {!r}?") or f"defined there: {names}."
            yield Problem(("sweep", kind, index), f"is {shown(name)}, which is not defined under {kind}; {meant}")


def _unusable_names(sound: _Sound, kind: str) -> Iterator[Problem]:
    for name in sound.names(kind):
        if reason := unusable(name):
            yield Problem((kind, name), f"{reason}; give it another name, such as {kind.removesuffix('s')}_{name[:9]}.")


def _uneven_heads(sound: _Sound, size: str) -> Iterator[Problem]:
    width, n_heads = sound("sizes", size, "d_model"), sound("sizes", size, "n_heads")
    if width and n_heads and width % n_heads:
        above = width - width % n_heads + n_heads
        yield Problem(
            ("sizes", size, "d_model"),
            f"is {width}; expected a multiple of n_heads, which is {n_heads}. The next one is {above}.",
        )


def _unclear_reward(sound: _Sound, task: str) -> Iterator[Problem]:
    section, good, utility = ("tasks", task), ("tasks", task, "good"), ("tasks", task, "utility")
    entry = sound(*section)
    if not isinstance(entry, Mapping):
        return
    if "good" in entry and "utility" not in entry:
        return  # nearly all tasks, of which there may be thousands
    if "good" in entry:
        yield Problem(
            section,
            f"has both good, {shown(sound(*good))}, and utility, {shown(sound(*utility))}; expected one of them. "
            "Delete one, or, if another file has it, give the task another name, as files are merged key by key.",
        )
    elif "utility" not in entry:
        yield Problem(
            good, f"is missing, and so is utility; expected {expected(good)}, or a utility, {expected(utility)}."
        )
    values = [sound(*utility, index) for index in range(len(sound(*utility) or ()))]
    if len(values) == N_OUTCOMES and len(set(values)) == 1 and values[0] is not None:
        yield Problem(
            utility,
            f"is {shown(values[0])} for every outcome; expected at least two different numbers, so that there is "
            "something to gain.",
        )


def _unreached_outcomes(sound: _Sound) -> Iterator[Problem]:
    key = ("sequence", "outcome_of_residue")
    outcomes = [sound(*key, index) for index in range(len(sound(*key) or ()))]
    if len(outcomes) == N_TOKENS and None not in outcomes and (missing := set(range(N_OUTCOMES)) - set(outcomes)):
        lacking = " and ".join(map(str, sorted(missing)))
        yield Problem(
            key,
            f"is {shown(outcomes)}, without {lacking}; expected each outcome of 0..7 at least once, "
            "since Op and Imp compare futures that can have any of them.",
        )


def _short_chains(sound: _Sound) -> Iterator[Problem]:
    chain, context = sound("sequence", "chain_length"), sound("sequence", "context_length")
    if chain and context and chain < context + 2:
        yield Problem(
            ("sequence", "chain_length"),
            f"is {chain}; expected at least context_length + 2 = {context + 2}, for a window before an even and one "
            "before an odd position.",
        )


def _few_test_chains(sound: _Sound) -> Iterator[Problem]:
    n_test, n_repeats = sound("sequence", "n_test"), sound("measure", "n_repeats")
    counts = ("n_contexts_exact", "n_contexts_monte_carlo", "n_contexts_self_estimate", "n_contexts_rollouts")
    n_contexts, key = max((sound("measure", key) or 0, key) for key in counts)
    if n_test and n_repeats and n_test < n_repeats * n_contexts:
        yield Problem(
            ("sequence", "n_test"),
            f"is {n_test}; expected at least measure.n_repeats × measure.{key} = {n_repeats} × {n_contexts} "
            f"= {n_repeats * n_contexts}, as every window is cut from a chain of its own. Raise it, or lower those.",
        )
    n_differential = sound("measure", "n_contexts_differential")
    if n_test and n_differential and n_test < n_differential:
        yield Problem(
            ("measure", "n_contexts_differential"),
            f"is {n_differential}; expected at most sequence.n_test, which is {n_test}, as every window is cut from a "
            "chain of its own. Lower it, or raise that.",
        )


def _rare_evaluation(sound: _Sound, sections: Sequence[Key]) -> Iterator[Problem]:
    interval, n_steps = sound.first(sections, "evaluation_interval"), sound.first(sections, "n_steps")
    if interval and n_steps and interval[1] > n_steps[1]:
        sibling = (*n_steps[0][:-1], "evaluation_interval")
        remedy = "Lower it" if sibling == interval[0] else f"Lower it, or set {dotted(sibling)}"
        yield Problem(
            interval[0],
            f"is {interval[1]}; expected at most {dotted(n_steps[0])}, which is {n_steps[1]}. {remedy}.",
        )


def _long_schedule(sound: _Sound, sections: Sequence[Key]) -> Iterator[Problem]:
    rise, fall = sound.first(sections, "warmup_fraction"), sound.first(sections, "anneal_fraction")
    if rise and fall and rise[1] + fall[1] > 1 + 1e-9:
        yield Problem(
            fall[0],
            f"is {fall[1]}, which with {dotted(rise[0])} = {rise[1]} makes {rise[1] + fall[1]:.6g}; expected a sum of "
            "at most 1, the whole of the steps. Lower one of them.",
        )


def _large_maintenance(sound: _Sound, sections: Sequence[Key]) -> Iterator[Problem]:
    size = sound.first(sections, "maintenance", "batch_size")
    natural = sound.first(sections, "maintenance", "natural_fraction")
    random = sound.first(sections, "maintenance", "random_fraction")
    rollouts = sound.first(sections, "batch_size")
    if not (size and natural and random and rollouts):
        return
    needed = (1 - random[1]) * (1 - natural[1]) * size[1]
    if round(needed, 6) > rollouts[1]:
        yield Problem(
            size[0],
            f"is {size[1]}, of which {dotted(natural[0])} = {natural[1]} and {dotted(random[0])} = {random[1]} leave "
            f"{needed:.6g} to the policy's own rollouts; expected at most the {rollouts[1]} of {dotted(rollouts[0])}. "
            f"Lower it to {rollouts[1]}, raise natural_fraction or random_fraction, or raise the rollouts.",
        )
