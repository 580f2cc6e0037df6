from dataclasses import dataclass


@dataclass
class Report:
    pass


def verify(model, samples=1000, seed=0):
    return Report()


def quick(model):
    pass
