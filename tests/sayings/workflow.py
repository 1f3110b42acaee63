from sayings import CONFIG
from splithistory.environment import MODULUS


def what_runs():
    yield f"a recurrence modulo {MODULUS} that is {100 * (1 - CONFIG['sequence']['noise']):.0f} % predictable"
