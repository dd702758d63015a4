"""The room for noise schedules, denoisers and samplers."""
