"""How far a sweep is, from its files and logs alone: `state` reads them, `view` draws what they say."""
