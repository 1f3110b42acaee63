"""Words that tables and figures put where the name of a task could stand, and which therefore are no names."""

ALL = "all"  # the line through the policies of all tasks
NONE = "none"  # what a policy that promotes no task is identified as
RESERVED = {ALL: "the fit of all tasks", NONE: "policies that no task is identified for"}
