//! Processor time of the program while nothing happens, from the kernel's own count.

use super::scene::Scene;
use super::table::{Row, value};
use anyhow::{Context, Result};
use std::fs;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(20);

/// After this the work of verifying has ebbed away.
const CALM: Duration = Duration::from_secs(15);

/// Share of one core over [`WINDOW`].
pub fn measure(scene: &mut Scene) -> Result<Vec<Row>> {
    wait(CALM);
    let (begun, before) = (Instant::now(), ticks(scene.lab.id())?);
    wait(WINDOW);
    let (spent, seconds) = (ticks(scene.lab.id())? - before, begun.elapsed().as_secs_f64());
    let share = 100.0 * spent as f64 / rustix::param::clock_ticks_per_second() as f64 / seconds;
    Ok(vec![Row {
        what: format!("idle with {} verified runs, of one core", scene.runs),
        ours: value(share, "%"),
        peer: "Python system (reference)".into(),
        theirs: Some(value(29.0, "%")),
        target: "<= 1 %",
    }])
}

/// Here time itself is what is waited for.
fn wait(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time && !crate::stop::requests().was_asked() {
        std::thread::park_timeout((time - begun.elapsed()).min(Duration::from_millis(200)));
    }
}

/// User and system time in clock ticks: fields 14 and 15 of `stat`, counted after the name, which may hold blanks.
fn ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the program is gone")?;
    fields(&stat).context("/proc/PID/stat is not as expected")
}

fn fields(stat: &str) -> Option<u64> {
    let mut after_name = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    Some(after_name.next()?.parse::<u64>().ok()? + after_name.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_with_blanks_does_not_shift_the_fields() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 100 0 0 0 70 30 0 0 20 0 9 0 1 1 1";
        assert_eq!(super::fields(stat), Some(100));
        assert!(super::ticks(std::process::id()).is_ok());
    }
}
