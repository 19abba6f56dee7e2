//! Intents to clear: recorded before anything is touched, advanced step by step, so that a crash anywhere resumes.

use super::{Store, StoreError, signed, unsigned};
use domain::path::RunPath;
use domain::proof::Totals;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

/// How far a clear has come. Each step is recorded after it was done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ClearStep {
    /// The intent exists; nothing else was touched.
    Intended,
    /// `cleared` stands in ingest.json and the finished record is proven on the NAS.
    Recorded,
    /// The folder was renamed aside.
    Renamed,
    /// Everything proven is gone.
    Done,
    /// Given up: what was not removed stands where it stood.
    Aborted,
}

impl ClearStep {
    const ALL: [ClearStep; 5] =
        [ClearStep::Intended, ClearStep::Recorded, ClearStep::Renamed, ClearStep::Done, ClearStep::Aborted];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            ClearStep::Intended => "intended",
            ClearStep::Recorded => "recorded",
            ClearStep::Renamed => "renamed",
            ClearStep::Done => "done",
            ClearStep::Aborted => "aborted",
        }
    }

    /// Nothing follows it.
    pub fn is_over(self) -> bool {
        matches!(self, ClearStep::Done | ClearStep::Aborted)
    }

    fn from_text(text: &str) -> Option<ClearStep> {
        ClearStep::ALL.into_iter().find(|step| step.as_str() == text)
    }
}

/// A recorded intent.
#[derive(Clone, PartialEq, Debug)]
pub struct Intent {
    /// UUID; also the name of the folder the run is renamed into.
    pub id: String,
    pub run: RunPath,
    pub life: u64,
    /// The job whose seal is cleared.
    pub job_id: String,
    /// How far it came.
    pub step: ClearStep,
    /// What was really removed so far.
    pub freed: Totals,
    pub waiting: Option<String>,
    /// The finished ingest.json: it is deleted before the life is recorded as ended.
    pub history: String,
    /// The row as it last was, JSON.
    pub last_row: String,
    /// What the record held when its deletion began; nothing before.
    pub record: Totals,
}

impl FromRow<'_, SqliteRow> for Intent {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let corrupt = |what: String| sqlx::Error::Decode(what.into());
        let (run, step): (String, String) = (row.try_get("run_path")?, row.try_get("step")?);
        let totals = |files: &str, bytes: &str| -> Result<Totals, sqlx::Error> {
            Ok(Totals { files: unsigned(row.try_get(files)?), bytes: unsigned(row.try_get(bytes)?) })
        };
        Ok(Intent {
            id: row.try_get("id")?,
            run: RunPath::parse(&run).map_err(|error| corrupt(error.to_string()))?,
            life: unsigned(row.try_get("life")?),
            job_id: row.try_get("job_id")?,
            step: ClearStep::from_text(&step).ok_or_else(|| corrupt(format!("clear step {step}")))?,
            freed: totals("freed_files", "freed_bytes")?,
            waiting: row.try_get("waiting")?,
            history: row.try_get("history")?,
            last_row: row.try_get("last_row")?,
            record: totals("record_files", "record_bytes")?,
        })
    }
}

impl Store {
    /// Records an intent and forces it to the disk. One that cannot be forced there is given up again, since nothing
    /// was touched yet: whoever is refused is not to find the run cleared later. Where that cannot be written either,
    /// the intent stands.
    pub async fn intend(
        &self,
        id: &str,
        run: &RunPath,
        life: u64,
        job_id: &str,
        now_ms: i64,
    ) -> Result<Intent, StoreError> {
        let query = "INSERT INTO intents (id, run_path, life, job_id, step, created_ms) VALUES ($1, $2, $3, $4, $5, $6) RETURNING *";
        let intent: Option<Intent> = sqlx::query_as(query)
            .bind(id)
            .bind(run.as_str())
            .bind(signed(life))
            .bind(job_id)
            .bind(ClearStep::Intended.as_str())
            .bind(now_ms)
            .fetch_all(&self.writer)
            .await?
            .pop();
        let intent =
            intent.ok_or_else(|| StoreError::Corrupt(format!("the intent to clear {run} was not recorded")))?;
        let Err(error) = self.make_durable().await else { return Ok(intent) };
        let given_up =
            sqlx::query("UPDATE intents SET step = $1 WHERE id = $2").bind(ClearStep::Aborted.as_str()).bind(id);
        match given_up.execute(&self.writer).await {
            Ok(_) => Err(error),
            Err(_) => Ok(intent),
        }
    }

    /// Compare-and-set from the step it was decided on, with everything the intent knows so far; forced to the disk.
    pub async fn advance_intent(&self, intent: &mut Intent, to: ClearStep) -> Result<(), StoreError> {
        intent.waiting = None;
        if self.write(intent, to).await? != 1 {
            return Err(StoreError::Corrupt(format!("intent {} was advanced by someone else", intent.id)));
        }
        intent.step = to;
        Ok(())
    }

    /// Notes everything the intent knows so far, and why it waits; forced to the disk.
    pub async fn note_intent(&self, intent: &Intent) -> Result<(), StoreError> {
        self.write(intent, intent.step).await.map(|_| ())
    }

    async fn write(&self, intent: &Intent, step: ClearStep) -> Result<u64, StoreError> {
        let changed = sqlx::query(
            "UPDATE intents SET step = $1, freed_files = $2, freed_bytes = $3, waiting = $4, history = $5, last_row = $6, \
             record_files = $7, record_bytes = $8 WHERE id = $9 AND step = $10",
        )
        .bind(step.as_str())
        .bind(signed(intent.freed.files))
        .bind(signed(intent.freed.bytes))
        .bind(&intent.waiting)
        .bind(&intent.history)
        .bind(&intent.last_row)
        .bind(signed(intent.record.files))
        .bind(signed(intent.record.bytes))
        .bind(&intent.id)
        .bind(intent.step.as_str())
        .execute(&self.writer)
        .await?;
        self.make_durable().await?;
        Ok(changed.rows_affected())
    }

    /// The intent with this id, open or not.
    pub async fn intent(&self, id: &str) -> Result<Option<Intent>, StoreError> {
        Ok(sqlx::query_as("SELECT * FROM intents WHERE id = $1").bind(id).fetch_optional(&self.readers).await?)
    }

    /// Intents that have not ended, oldest first.
    pub async fn open_intents(&self) -> Result<Vec<Intent>, StoreError> {
        let query = "SELECT * FROM intents WHERE step NOT IN ('done', 'aborted') ORDER BY created_ms";
        Ok(sqlx::query_as(query).fetch_all(&self.readers).await?)
    }
}
