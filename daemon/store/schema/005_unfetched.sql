-- What is asked before every job is taken: the bytes of results that nobody has fetched. Without it, each of the last
-- day's jobs is looked at.
CREATE INDEX jobs_unfetched ON jobs (finished_at, result_path, result_bytes)
    WHERE state = 'done' AND fetched_at IS NULL;
