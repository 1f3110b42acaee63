"""What a person does with a sweep, a command a module; ``python -m sweep`` runs them."""
