"""A release on its way: staging, steps, rollout, the way back, probation, retirement."""
