//! From `complete` to `sync_verified` over ssh on the loopback, beside rsync alone and rsync with a check of what has
//! arrived.

use super::http::Client;
use super::lab::{EQUIPMENT, Lab};
use super::table::{Row, median, value};
use crate::process::Call;
use crate::sshd::Sshd;
use crate::step::Step;
use anyhow::Result;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

const ROUNDS: usize = 3;

/// Files of one kind.
pub struct Set {
    name: &'static str,
    files: usize,
    bytes_each: usize,
}

impl Set {
    fn is_large(&self) -> bool {
        self.bytes_each > 1 << 20
    }
}

/// One set of large files.
pub const LARGE: [Set; 1] = [Set { name: "4 x 512 MiB", files: 4, bytes_each: 512 << 20 }];
/// Two sets of small files.
pub const SMALL: [Set; 2] = [
    Set { name: "10,000 x 64 KiB", files: 10_000, bytes_each: 64 << 10 },
    Set { name: "30,000 x 4 KiB", files: 30_000, bytes_each: 4 << 10 },
];

/// A peer: its name, the shell words that copy `$1` to `$2` by way of `$3` (the ssh command), and what ours may cost
/// beside it.
const PEERS: [(&str, &str, &str, &str); 3] = [
    ("rsync -a", "rsync -a -e \"$3\" -- \"$1/\" \"root@127.0.0.1:$2/\"", "<= 1.15 x", "<= 1.15 x"),
    (
        "rsync -a, sync",
        "rsync -a -e \"$3\" -- \"$1/\" \"root@127.0.0.1:$2/\" && $3 root@127.0.0.1 \"sync -f '$2'\"",
        "",
        "",
    ),
    (
        "rsync -a, sha256sum -c",
        "rsync -a -e \"$3\" -- \"$1/\" \"root@127.0.0.1:$2/\" && cd \"$1\" && find . -type f -print0 | xargs -0 sha256sum | \
         $3 root@127.0.0.1 \"cd '$2' && sha256sum --quiet -c -\"",
        "<= 0.7 x",
        "",
    ),
];

/// Seconds of each, in turn.
pub fn measure(binary: &Path, sets: &[Set]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for set in sets {
        rows.extend(measure_set(binary, set)?);
    }
    Ok(rows)
}

fn measure_set(binary: &Path, set: &Set) -> Result<Vec<Row>> {
    let step = Step::begin(format!("bench: over ssh, {}", set.name));
    let sshd = Sshd::start()?;
    let mut lab = Lab::open_on(binary, |nas| sshd.transport(nas), |_| Ok(()))?;
    let client = Client::new();
    let (mut ours, mut theirs) = (Vec::new(), vec![Vec::new(); PEERS.len()]);
    for round in 0..ROUNDS {
        step.line(&format!("round {} of {ROUNDS}", round + 1));
        let run = push(&lab, set, round)?;
        // What earlier rounds still have to write must not count in this one.
        Call::new("sync").read()?;
        ours.push(lab.seconds_to_verified(&client, &run)?);
        for ((name, words, ..), samples) in PEERS.iter().zip(&mut theirs) {
            // Not deleted before the end: just after many deletions a file system makes files slowly.
            let copy = lab.folder().join(format!("copy {round} {name}").replace([' ', ','], "_"));
            Call::new("sync").read()?;
            let begun = Instant::now();
            Call::new("sh").args(["-c", words, "sh"]).arg(&run).arg(&copy).arg(sshd.command()).read()?;
            samples.push(begun.elapsed().as_secs_f64());
        }
        Call::new("sync").read()?;
    }
    step.end("");
    let row =
        |((name, _, for_large, for_small), samples): (&(&str, &str, &'static str, &'static str), &Vec<f64>)| Row {
            what: format!("{} over ssh, complete to verified", set.name),
            ours: value(median(&ours), "s"),
            peer: (*name).into(),
            theirs: Some(value(median(samples), "s")),
            target: if set.is_large() { for_large } else { for_small },
        };
    Ok(PEERS.iter().zip(&theirs).map(row).collect())
}

/// A run without its signal; its bytes do not compress and no two files are alike.
fn push(lab: &Lab, set: &Set, round: usize) -> Result<PathBuf> {
    let run = lab.staging().join(EQUIPMENT).join("Over ssh/Runs").join(format!("Run_{round}"));
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ (round as u64 + 1);
    let mut block = vec![0_u8; set.bytes_each.min(1 << 20)];
    for file in 0..set.files {
        let folder = run.join(format!("raw/{:03}", file / 250));
        if file % 250 == 0 {
            fs::create_dir_all(&folder)?;
        }
        let mut out = File::create(folder.join(format!("frame_{file:05}.tif")))?;
        for _ in 0..set.bytes_each / block.len() {
            for word in block.chunks_exact_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                word.copy_from_slice(&state.to_le_bytes());
            }
            out.write_all(&block)?;
        }
    }
    Ok(run)
}
