"""The study's claims, the estimation of their statistics, and how a sweep judges them."""
