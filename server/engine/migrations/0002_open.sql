-- What has not ended is found without looking through all that has: asked for at every look at the staging tree.
CREATE INDEX IF NOT EXISTS jobs_unproven ON jobs (run_path, life, generation) WHERE state IN ('queued', 'running', 'awaiting_verify', 'failed');
CREATE INDEX IF NOT EXISTS intents_open ON intents (created_ms) WHERE step NOT IN ('done', 'aborted');

PRAGMA user_version = 2;
