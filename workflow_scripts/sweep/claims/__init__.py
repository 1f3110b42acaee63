"""The study's claims: what they are, how their statistics are estimated, and how a sweep judges them."""
