"""What the pages share and run: models, traces, jobs, trainings, settings. Calls no widget."""
