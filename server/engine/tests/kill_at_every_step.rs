//! Kill -9 at every step of a run's life, start again, and look: the same end every time, with nothing lost.
//!
//! No test harness: the program starts itself anew as the child that runs the engine and kills itself at the step it
//! was told. A second child, told no step, then has to bring the run to its end. Words after `--` choose the steps to
//! try.

mod kill;
mod support;

use engine::machine::checkpoint::Checkpoint;
use kill::case::{Case, Outcome};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tried at once: each is a child that mostly waits for its disk.
const AT_ONCE: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(child) = kill::child::Child::from_arguments(&arguments) {
        return child.live();
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let first_of_each = Checkpoint::ALL.into_iter().map(|step| Case { step, nth: 1, full: false });
    let in_the_middle =
        [Checkpoint::FilePlaced, Checkpoint::FileUnlinked].into_iter().map(|step| Case { step, nth: 2, full: false });
    // The day the program exists for: cleared on a disk of no free byte, killed at each step of it.
    let of_a_clear = Checkpoint::ALL.into_iter().skip_while(|step| *step != Checkpoint::Permitted);
    let on_a_full_disk = of_a_clear.map(|step| Case { step, nth: 1, full: true });
    let cases: Vec<Case> = first_of_each
        .chain(in_the_middle)
        .chain(on_a_full_disk)
        .filter(|case| wanted.is_empty() || wanted.iter().any(|word| case.to_string().contains(word.as_str())))
        .collect();

    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = kill::case::try_case(*case);
                    println!("{}", kill::case::line(*case, &outcome));
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let outcomes: Vec<Outcome> = outcomes.into_inner().unwrap();
    let passed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let failed = outcomes.len() - passed;
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
