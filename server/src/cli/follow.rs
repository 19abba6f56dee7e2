//! Follows an act to its end: a bar where a person watches, a line per phase where a script does.

use super::CommandError;
use super::client::Client;
use super::terminal::is_watched;
use domain::api::{ActView, Progress};
use domain::units;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// How often the server is asked; loopback makes it cheap.
const ROUND: Duration = Duration::from_millis(250);

/// Asks until the act has ended.
pub fn follow(client: &Client, begun: &ActView, run: &str) -> Result<ActView, CommandError> {
    let mut display = Display::new();
    let mut act = begun.clone();
    while act.finished_at.is_none() {
        // What the run's job is doing is decoration: when it cannot be had, the act is still followed.
        if let Ok(detail) = client.run(run) {
            display.show(detail.row.job.and_then(|job| job.progress).as_ref());
        }
        pause();
        act = client.act(&begun.id)?;
    }
    display.end();
    Ok(act)
}

/// Between two questions. Waking early is no harm.
fn pause() {
    std::thread::park_timeout(ROUND);
}

enum Display {
    Bar(ProgressBar),
    Lines { last: Option<&'static str> },
}

impl Display {
    fn new() -> Display {
        if !is_watched() {
            return Display::Lines { last: None };
        }
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{msg:>14} [{bar:30}] {percent:>3} % {prefix}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message("waiting");
        Display::Bar(bar)
    }

    fn show(&mut self, progress: Option<&Progress>) {
        match (self, progress) {
            (Display::Bar(bar), Some(progress)) => {
                bar.set_length(progress.bytes_total);
                bar.set_position(progress.bytes_done);
                bar.set_message(progress.phase.label());
                bar.set_prefix(numbers(progress));
                bar.tick();
            }
            (Display::Bar(bar), None) => bar.tick(),
            (Display::Lines { last }, Some(progress)) if *last != Some(progress.phase.label()) => {
                *last = Some(progress.phase.label());
                eprintln!("{}", line(progress));
            }
            (Display::Lines { .. }, _) => {}
        }
    }

    fn end(self) {
        if let Display::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// One line; the numbers are left out until they are known.
fn line(progress: &Progress) -> String {
    let phase = progress.phase.label();
    if progress.files_total == 0 { phase.to_owned() } else { format!("{phase}: {}", numbers(progress)) }
}

fn numbers(progress: &Progress) -> String {
    let size = |bytes: u64| units::bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
    let eta = progress
        .eta_seconds
        .and_then(|eta| i64::try_from(eta).ok())
        .map(|eta| format!(", {} left", units::elapsed(eta)));
    let percent = |of: &Progress| u128::from(of.bytes_done) * 100 / u128::from(of.bytes_total.max(1));
    let beside: String = progress.beside.iter().map(|of| format!(", {} {} %", of.phase.label(), percent(of))).collect();
    format!(
        "{} of {}, {} of {} files, {}{}{beside}",
        size(progress.bytes_done),
        size(progress.bytes_total),
        units::count(progress.files_done),
        units::count(progress.files_total),
        units::rate(progress.bytes_per_second),
        eta.unwrap_or_default()
    )
}
