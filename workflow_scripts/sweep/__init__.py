"""Everything around the science of a sweep: its configuration, tables, checkpoints and jobs."""
