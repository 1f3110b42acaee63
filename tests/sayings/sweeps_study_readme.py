from sayings import configuration, of_published_sweep


def what_it_is_and_took():
    yield from of_published_sweep("study", configuration("study"))
