import gymnasium


def worlds():
    lake, taxi = gymnasium.make("FrozenLake-v1").unwrapped, gymnasium.make("Taxi-v4").unwrapped
    (goal,) = (int(tile) for tile in range(lake.observation_space.n) if lake.desc.flatten()[tile] == b"G")
    yield f"The true goal is tile {goal}."
    yield f"Each of its {taxi.observation_space.n} states"
