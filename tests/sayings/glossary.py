from sayings import CONFIG
from splithistory.sequence import N_TOKENS


def constants():
    yield f"It is any of {N_TOKENS}, or only one"
    yield f"{CONFIG['sequence']['context_length']} consecutive tokens, which are all that a policy sees"
