"""Property tests have no deadline: a shared machine may pause a test for a while."""

from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
