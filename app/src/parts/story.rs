//! What a run is doing, waiting for, or proven by: two lines for its row, the same in full in its menu.

use super::progress;
use crate::store::SeenRow;
use crate::words::{Tone, Word, capitalised, clearing_step, counted};
use domain::api::AttentionKind;
use domain::job::JobState;
use domain::timestamp::Timestamp;
use domain::units;

/// Two lines and maybe a bar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Story {
    /// The first line, with tone and icon.
    pub head: Word,
    /// The second line; may be empty.
    pub detail: String,
    /// A bar: parts of a thousand, or `None` inside while the end is unknown.
    pub bar: Option<Option<u32>>,
}

fn story(tone: Tone, icon: &'static str, head: impl Into<String>, detail: impl Into<String>) -> Story {
    Story { head: Word { tone, icon, text: head.into() }, detail: detail.into(), bar: None }
}

/// Tells the story of a row at a tick. What an operator must know first comes first.
pub fn tell(seen: &SeenRow, tick: i64) -> Story {
    let row = &seen.row;
    let job = row.job.as_ref();
    if let Some(problem) = &row.problem {
        return story(Tone::Bad, "alert", problem.message.clone(), problem.code.replace('_', " "));
    }
    if let Some(clearing) = &row.clearing {
        let step = clearing_step(&clearing.step);
        return match &clearing.waiting {
            Some(why) => story(Tone::Warn, "waiting", why.clone(), format!("Clear stands at: {step}")),
            None => Story { bar: Some(None), ..story(Tone::Busy, "working", format!("Clearing · {step}"), "") },
        };
    }
    if row.summary.current_state == "cleared" {
        if let Some(error) = job.and_then(|job| job.error.as_ref()) {
            return story(Tone::Bad, "alert", error.message.clone(), error.remedy.clone());
        }
        return story(
            Tone::Idle,
            "cleared",
            "The local copy is gone",
            job.and_then(|job| job.nas_path.clone()).unwrap_or_default(),
        );
    }
    if let Some(progress) = job.and_then(|job| job.progress.as_ref()) {
        let pace = [progress::pace(progress), progress::beside(progress)].join(" · ");
        let pace = pace.trim_matches([' ', '·']).to_owned();
        let head = progress::done(progress);
        return Story { bar: Some(progress::permille(progress)), ..story(Tone::Busy, "working", head, pace) };
    }
    if let Some(job) = job {
        if let (JobState::Failed, Some(error)) = (job.state, &job.error) {
            return story(Tone::Bad, "failed", error.message.clone(), error.remedy.clone());
        }
        if job.state == JobState::Failed {
            return story(Tone::Bad, "failed", "The job failed", "Read the log of this run, then retry.");
        }
        if job.waiting_for_destination {
            let why = job
                .error
                .as_ref()
                .map_or_else(|| "The NAS cannot show that it is ours".to_owned(), |error| error.message.clone());
            return story(Tone::Warn, "waiting", why, "Goes on by itself once the NAS is there.");
        }
        if let (JobState::Queued, Some(error)) = (job.state, &job.error) {
            let next = job.next_attempt_at.map_or_else(|| "Tried again now".to_owned(), |at| next_try(seen, at, tick));
            return story(
                Tone::Warn,
                "retrying",
                error.message.clone(),
                format!("{next} · {} so far", counted(u64::from(job.attempts), "retry", "retries")),
            );
        }
    }
    if row.findings.blocking > 0 && row.summary.current_state == "complete" {
        let findings = counted(u64::from(row.findings.blocking), "finding holds it back", "findings hold it back");
        return story(Tone::Bad, "blocked", findings, "Fix or override them; then it goes on by itself.");
    }
    if row.late_files > 0 {
        let files = counted(row.late_files, "file arrived or changed", "files arrived or changed");
        let way = match &row.waiting_for {
            Some(lacks) => format!("{}: wait for it, or sync it although unfinished.", capitalised(lacks)),
            None => "Force a sync to send and prove them.".to_owned(),
        };
        return story(Tone::Warn, "late", format!("{files} after the proof"), way);
    }
    if let Some(proof) = row.proof.as_ref().filter(|_| row.summary.current_state == "sync_verified") {
        let age = seen
            .seconds_since(proof.at, tick)
            .map_or_else(String::new, |seconds| format!("{} ago", units::elapsed(seconds)));
        let passes = counted(u64::from(proof.passes), "proof", "proofs");
        return story(
            Tone::Good,
            "shield",
            format!("{} · {}", proof.level, proof.level.meaning()),
            format!("{passes} · last {age}"),
        );
    }
    if row.summary.current_state == "sync_verified" {
        return story(
            Tone::Warn,
            "alert",
            "Not proven by this installation",
            "Force a sync to seal and prove it here.",
        );
    }
    if let Some(waiting) = &row.waiting_for {
        if AttentionKind::Silent.concerns(row) {
            let way = "Unchanged for a day or longer. If it is complete, force a sync with a reason.";
            return story(Tone::Warn, "waiting", capitalised(waiting), way);
        }
        return story(Tone::Idle, "hourglass", capitalised(waiting), "");
    }
    match job.map(|job| job.state) {
        Some(JobState::Queued) => story(Tone::Busy, "queued", "Waits for its turn", ""),
        Some(JobState::Running | JobState::AwaitingVerify) => {
            Story { bar: Some(None), ..story(Tone::Busy, "working", "Starting", "") }
        }
        _ => story(Tone::Idle, "hourglass", "Waits to be looked at", ""),
    }
}

/// `Next try in 1m 20s`
fn next_try(seen: &SeenRow, at: Timestamp, tick: i64) -> String {
    match seen.seconds_since(at, tick) {
        Some(seconds) if seconds < 0 => format!("Next try in {}", units::elapsed(-seconds)),
        _ => "Next try now".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use domain::api::{JobError, RowProblem};
    use domain::job::{FailureClass, Side};

    fn told(change: impl FnOnce(&mut domain::api::RunRow)) -> Story {
        let mut row = sample::row("A/p/Runs/Run_1", "sync_queued");
        row.job = Some(sample::job(JobState::Queued));
        change(&mut row);
        tell(&SeenRow::new(row, 0), 10)
    }

    fn error() -> JobError {
        let code = FailureClass::Network;
        JobError { code, side: Side::Destination, message: "reset by peer".into(), remedy: code.remedy().into() }
    }

    #[test]
    fn s4_a_failed_job_says_why_and_the_way_out() {
        let story = told(|row| {
            let job = row.job.as_mut().unwrap();
            job.state = JobState::Failed;
            job.error = Some(error());
        });
        assert_eq!((story.head.tone, story.head.text.as_str()), (Tone::Bad, "reset by peer"));
        assert_eq!(story.detail, FailureClass::Network.remedy());
    }

    #[test]
    fn a_cleared_run_whose_copy_is_damaged_says_so() {
        let cleared = |damage: Option<JobError>| {
            told(|row| {
                row.summary.current_state = "cleared".into();
                let job = row.job.as_mut().unwrap();
                (job.state, job.error) = (JobState::Cleaned, damage);
            })
        };
        assert_eq!(cleared(None).head.text, "The local copy is gone");
        assert_eq!(
            (cleared(Some(error())).head.tone, cleared(Some(error())).head.text),
            (Tone::Bad, "reset by peer".to_owned())
        );
    }

    #[test]
    fn a_retry_counts_down_by_the_servers_clock() {
        let story = told(|row| {
            let job = row.job.as_mut().unwrap();
            (job.error, job.attempts) = (Some(error()), 2);
            job.next_attempt_at = Some(Timestamp::parse("2026-04-17T14:35:00Z").unwrap());
        });
        assert_eq!(story.detail, "Next try in 1m 50s · 2 retries so far");
    }

    #[test]
    fn s7_an_unreadable_run_is_told_before_anything_else() {
        let story = told(|row| {
            row.problem = Some(RowProblem { code: "document_unreadable".into(), message: "cut off".into() })
        });
        assert_eq!((story.head.text.as_str(), story.detail.as_str()), ("cut off", "document unreadable"));
    }

    #[test]
    fn s18_a_run_that_stands_still_for_a_day_says_the_way_out() {
        let waits = |seconds: u64| {
            told(|row| {
                row.summary.current_state = "staging".into();
                row.summary.elapsed_seconds_since_last_activity = seconds;
                (row.job, row.waiting_for) = (None, Some("no done.flag yet".into()));
            })
        };
        assert_eq!((waits(3_600).head.tone, waits(3_600).detail.as_str()), (Tone::Idle, ""));
        let silent = waits(25 * 3_600);
        assert_eq!((silent.head.tone, silent.head.text.as_str()), (Tone::Warn, "No done.flag yet"));
        assert!(silent.detail.contains("force a sync with a reason"), "{silent:?}");
    }

    #[test]
    fn s1_a_blocked_run_says_so() {
        let story = told(|row| {
            row.summary.current_state = "complete".into();
            row.findings.blocking = 1;
        });
        assert_eq!(story.head.text, "1 finding holds it back");
    }
}
