"""Schemas of the tables, one module per stage, so that a job depends only on those of what it reads and writes."""
