from sayings import CONFIG, WORDS, read


def the_sequence():
    noise = CONFIG["sequence"]["noise"]
    yield f"The sequence's noise replaces {100 * noise:.0f} % of the outcomes"
    yield f"by a factor of 1 / {1 - noise}."
    yield f"so MEG is ln {WORDS.index('three')}, the largest value that three actions allow"
    told = read("sweeps/paper/summary/goal_directedness.parquet")
    yield f"For the {len(told[told['measure'] == 'op'])} policies of the [published sweep]"
