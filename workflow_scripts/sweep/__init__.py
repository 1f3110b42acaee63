"""The sweep around the science: its configuration, tables, checkpoints and scripts."""
