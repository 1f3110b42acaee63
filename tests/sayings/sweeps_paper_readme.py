from sayings import CONFIG, of_published_sweep


def what_it_is_and_took():
    yield from of_published_sweep("paper", CONFIG)
