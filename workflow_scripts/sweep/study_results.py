"""Numbers that the study reports, for comparison with those of a sweep."""

STUDY_URL = (
    "https://www.alignmentforum.org/posts/qEwCitrgberdjjtuW/measuring-learned-optimization-in-small-transformer-models"
)

# Line of Imp against Imp_min through all policies of the study, in nats.
IMP_SLOPE = 2.6
IMP_INTERCEPT = 0.059
