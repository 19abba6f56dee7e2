-- The durable queue and what must outlive a run's folder. Times are milliseconds since 1970, UTC.
--
-- A file of this folder never changes once a release has it: databases know its checksum. What changes is a new file with the next number,
-- whose last statement sets that number as `user_version`. This one also takes over databases from before files had numbers, which hold some of
-- its tables and indexes, or all.

CREATE TABLE IF NOT EXISTS jobs (
    id               TEXT PRIMARY KEY,
    run_path         TEXT NOT NULL,
    equipment_id     TEXT NOT NULL,
    life             INTEGER NOT NULL,
    generation       INTEGER NOT NULL,
    state            TEXT NOT NULL,
    claim            TEXT,
    attempts         INTEGER NOT NULL DEFAULT 0,
    hash_retries     INTEGER NOT NULL DEFAULT 0,
    error_class      TEXT,
    error_side       TEXT,
    error_message    TEXT,
    next_attempt_ms  INTEGER NOT NULL DEFAULT 0,
    waiting          INTEGER NOT NULL DEFAULT 0,
    enqueued_ms      INTEGER NOT NULL,
    seal_digest      TEXT,
    sealed_ms        INTEGER,
    files            INTEGER NOT NULL DEFAULT 0,
    bytes            INTEGER NOT NULL DEFAULT 0,
    proof_level      TEXT,
    proof_method     TEXT,
    first_proof_ms   INTEGER,
    last_proof_ms    INTEGER,
    verify_passes    INTEGER NOT NULL DEFAULT 0,
    nas_path         TEXT,
    record_sent      INTEGER NOT NULL DEFAULT 0,
    record_next_ms   INTEGER NOT NULL DEFAULT 0,
    record_attempts  INTEGER NOT NULL DEFAULT 0,
    revision         INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run_path, life, generation)
);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (equipment_id, state, next_attempt_ms);
-- The oldest queued job is found without sorting all of them.
CREATE INDEX IF NOT EXISTS jobs_oldest ON jobs (equipment_id, enqueued_ms, id) WHERE state = 'queued';
-- What a worker asks for after every job: the records still to be sent, and the oldest proof.
CREATE INDEX IF NOT EXISTS jobs_record ON jobs (equipment_id, record_next_ms, enqueued_ms)
    WHERE state IN ('verified', 'cleanup_eligible') AND record_sent = 0;
CREATE INDEX IF NOT EXISTS jobs_proof ON jobs (equipment_id, last_proof_ms) WHERE state IN ('verified', 'cleanup_eligible');
-- The copies of cleared runs: by their newest proof, or by their next look where something was amiss.
CREATE INDEX IF NOT EXISTS jobs_cleared ON jobs (equipment_id, next_attempt_ms, last_proof_ms) WHERE state = 'cleaned';
CREATE INDEX IF NOT EXISTS jobs_damaged ON jobs (run_path, life) WHERE state = 'cleaned' AND error_class IS NOT NULL;
-- Whoever shows a job shows its highest revision: answers that overtake each other change nothing.
CREATE TRIGGER IF NOT EXISTS jobs_count_their_changes BEFORE UPDATE ON jobs WHEN NEW.revision <> OLD.revision + 1
BEGIN SELECT RAISE(ABORT, 'a change of a job must count its revision'); END;

CREATE TABLE IF NOT EXISTS proofs (
    id         INTEGER PRIMARY KEY,
    job_id     TEXT NOT NULL,
    run_path   TEXT NOT NULL,
    life       INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    proven     INTEGER NOT NULL,
    level      TEXT NOT NULL,
    method     TEXT NOT NULL,
    files      INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    detail     TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS proofs_of_run ON proofs (run_path, life);

CREATE TABLE IF NOT EXISTS intents (
    id           TEXT PRIMARY KEY,
    run_path     TEXT NOT NULL,
    life         INTEGER NOT NULL,
    job_id       TEXT NOT NULL,
    step         TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    freed_files  INTEGER NOT NULL DEFAULT 0,
    freed_bytes  INTEGER NOT NULL DEFAULT 0,
    waiting      TEXT,
    history      TEXT NOT NULL DEFAULT '',
    last_row     TEXT NOT NULL DEFAULT '',
    record_files INTEGER NOT NULL DEFAULT 0,
    record_bytes INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS intents_of_run ON intents (run_path);

CREATE TABLE IF NOT EXISTS lives (
    seq         INTEGER PRIMARY KEY,
    run_path    TEXT NOT NULL,
    life        INTEGER NOT NULL,
    cleared_ms  INTEGER NOT NULL,
    freed_files INTEGER NOT NULL,
    freed_bytes INTEGER NOT NULL,
    nas_path    TEXT NOT NULL,
    seal_digest TEXT NOT NULL,
    last_row    TEXT NOT NULL,
    history     TEXT NOT NULL,
    UNIQUE (run_path, life)
);

CREATE TABLE IF NOT EXISTS ledger (
    seq      INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    run_path TEXT NOT NULL,
    life     INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    detail   TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ledger_of_run ON ledger (run_path);

-- Findings of the gate as they were first found, and operators' marks that they are known. Lost marks hide nothing and let nothing through.
CREATE TABLE IF NOT EXISTS findings (
    run_path       TEXT NOT NULL,
    rule           TEXT NOT NULL,
    offending_path TEXT NOT NULL,
    first_ms       INTEGER NOT NULL,
    known_ms       INTEGER,
    known_by       TEXT,
    PRIMARY KEY (run_path, rule, offending_path)
) WITHOUT ROWID;

-- Bytes that moved, by hours since 1970, for the overview's charts; and since when they are counted. Lost, they hide nothing.
CREATE TABLE IF NOT EXISTS traffic (
    hour     INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    proven   INTEGER NOT NULL,
    cleared  INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS traffic_since (one INTEGER PRIMARY KEY CHECK (one = 1), since_ms INTEGER NOT NULL);

PRAGMA user_version = 1;
