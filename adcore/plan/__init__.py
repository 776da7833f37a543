"""When things run: plans, their steps, the schedules of trails, and the validator that counts the bytes."""
