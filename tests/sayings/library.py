from splithistory.identification import MOST_RANKED_OUTCOMES


def limits():
    yield f"a good set among all, of at most {MOST_RANKED_OUTCOMES} outcomes"
