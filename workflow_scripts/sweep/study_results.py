"""What the study reports, for comparison with what a sweep measures."""

STUDY_URL = (
    "https://www.alignmentforum.org/posts/qEwCitrgberdjjtuW/measuring-learned-optimization-in-small-transformer-models"
)

# The line through all of its policies, Imp against Imp_min, nats.
IMP_SLOPE = 2.6
IMP_INTERCEPT = 0.059
