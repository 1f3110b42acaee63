"""Words that tables and figures use in place of a task's name, so no task may have them as its name."""

ALL = "all"  # the line through the policies of all tasks
NONE = "none"  # what a policy that promotes no task is identified as
RESERVED = {ALL: "the fit of all tasks", NONE: "policies that no task is identified for"}
