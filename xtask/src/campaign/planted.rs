//! Violations that the campaign plants itself: an oracle that does not see them proves nothing.

use super::books::{Books, digest};
use super::judge::{self, Class, End};
use super::places::Places;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Plants one of each class, and says how many there are; an error when one of them is not seen, or something is that
/// is none.
pub fn all_are_seen() -> Result<usize> {
    let folder = tempfile::tempdir()?;
    let mut seen = 0;
    for (class, plant) in PLANTS {
        let home = folder.path().join(seen.to_string());
        fs::create_dir_all(&home)?;
        let (violation, harmless) = plant(&home)?;
        if !violation {
            bail!("the oracle does not see what was planted as \"{}\" (number {seen})", class.name());
        }
        if harmless {
            bail!("the oracle calls something \"{}\" that is not (number {seen})", class.name());
        }
        seen += 1;
    }
    Ok(seen)
}

/// Answers whether the planted violation is seen, and whether the harmless case beside it is taken for one.
type Plant = fn(&Path) -> Result<(bool, bool)>;

const PLANTS: [(Class, Plant); 14] = [
    (Class::Lost, |home| lost(home, |here, there| both(fs::remove_file(here), fs::remove_file(there)))),
    (Class::Lost, |home| {
        lost(home, |here, there| both(fs::remove_file(here), fs::write(there, b"what the instrument wrotE")))
    }),
    (Class::Lost, |home| lost(home, |here, there| both(fs::write(here, b""), fs::write(there, b"what")))),
    (Class::Lost, |home| {
        lost(home, |here, there| {
            let swapped = there.with_extension("link");
            fs::rename(there, &swapped)?;
            // A link is no copy.
            std::os::unix::fs::symlink(here, there)?;
            fs::remove_file(here)?;
            Ok(fs::remove_file(swapped)?)
        })
    }),
    (Class::Touched, |home| touched(home, |file| Ok(fs::remove_file(file)?))),
    (Class::Touched, |home| touched(home, |file| Ok(fs::write(file, b"other")?))),
    (Class::FalselyVerified, |home| {
        let (places, books) = run(home)?;
        let harmless = judge::verified(&places, &books.account(1)).is_some();
        fs::write(places.there(NAME).join(FILE), b"What the instrument wrote")?;
        Ok((judge::verified(&places, &books.account(1)).is_some(), harmless))
    }),
    (Class::Stuck, |_| {
        let silent = json!({"row": {"current_state": "complete", "job": null, "waiting_for": ""}, "clear_plan": {"conditions": []}});
        let said = json!({"row": {"job": {"error": {"message": "the NAS is full"}}}});
        Ok((matches!(judge::end(Some(&silent)), End::Stuck(_)), matches!(judge::end(Some(&said)), End::Stuck(_))))
    }),
    (Class::Stuck, |_| {
        let said = json!({"row": {"waiting_for": "no sentinel yet"}});
        // Nothing is at work on a job that has failed.
        let failed = json!({"row": {"job": {"state": "failed"}}});
        let seen = matches!(judge::end(None), End::Stuck(_)) && matches!(judge::end(Some(&failed)), End::Stuck(_));
        Ok((seen, matches!(judge::end(Some(&said)), End::Stuck(_))))
    }),
    (Class::History, |_| {
        Ok((judge::history(&entries(3), &entries(2)).is_some(), judge::history(&entries(2), &entries(3)).is_some()))
    }),
    (Class::History, |_| {
        let mut edited = entries(3);
        edited[0]["at"] = json!("later");
        Ok((judge::history(&entries(2), &edited).is_some(), judge::history(&[], &entries(4)).is_some()))
    }),
    (Class::History, |_| {
        let unproven = [json!({"state": "complete"}), json!({"state": "cleared"})];
        Ok((judge::history(&[], &unproven).is_some(), judge::history(&unproven[..1], &unproven[..1]).is_some()))
    }),
    (Class::ServerError, |_| {
        let not_now = json!({"code": "state_unavailable", "message": "the disk is full"});
        let calm = judge::answer(503, &not_now, false).is_some()
            && judge::answer(500, &json!({"code": "internal"}), true).is_some();
        Ok((calm, judge::answer(503, &not_now, true).is_some() || judge::answer(409, &not_now, false).is_some()))
    }),
    (Class::Panic, |_| {
        let panicked = "INFO ready\nthread 'tokio-runtime-worker' panicked at server/src/main.rs:1:1:\n";
        Ok((judge::log(panicked).is_some(), judge::log("INFO ready\nWARN nobody panicked\n").is_some()))
    }),
];

const NAME: &str = "SCOPE_01/Project/Runs/Run_1";
const FILE: &str = "raw/frame_0001.tif";
const CONTENT: &[u8] = b"what the instrument wrote";

/// A run that stands here and on the NAS.
fn run(home: &Path) -> Result<(Places, Books)> {
    let places = Places { staging: home.join("staging"), nas: [home.join("nas"), home.join("away")] };
    let books = Books::default();
    books.named(1, NAME);
    books.owe(1, digest(CONTENT), FILE);
    for folder in [places.here(NAME), places.nas[0].join(NAME)] {
        fs::create_dir_all(folder.join("raw"))?;
        fs::write(folder.join(FILE), CONTENT)?;
    }
    Ok((places, books))
}

fn both(one: std::io::Result<()>, other: std::io::Result<()>) -> Result<()> {
    Ok(one.and(other)?)
}

fn lost(home: &Path, act: fn(&Path, &Path) -> Result<()>) -> Result<(bool, bool)> {
    let (places, books) = run(home)?;
    let (here, there) = (places.here(NAME).join(FILE), places.there(NAME).join(FILE));
    let is_lost = || !places.lost(&books.account(1)).is_empty();
    let mut harmless = is_lost();
    // Aside while it is cleared, and nothing on the NAS: it stands.
    let aside = places.staging.join(".exlab-clearing/1");
    fs::create_dir_all(&aside)?;
    fs::rename(&here, aside.join("frame.tif"))?;
    fs::rename(&there, there.with_extension("gone"))?;
    harmless |= is_lost();
    fs::rename(aside.join("frame.tif"), &here)?;
    fs::rename(there.with_extension("gone"), &there)?;
    act(&here, &there)?;
    Ok((is_lost(), harmless))
}

fn touched(home: &Path, act: fn(&Path) -> Result<()>) -> Result<(bool, bool)> {
    let (file, books) = (home.join("somebody's"), Books::default());
    fs::write(&file, CONTENT)?;
    books.guard(1, file.clone(), digest(CONTENT));
    let harmless = !Places::touched(&books.account(1)).is_empty();
    act(&file)?;
    Ok((!Places::touched(&books.account(1)).is_empty(), harmless))
}

fn entries(count: usize) -> Vec<Value> {
    ["complete", "sync_queued", "sync_verified", "cleared"]
        .into_iter()
        .take(count)
        .map(|state| json!({"state": state, "at": "now"}))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_oracle_sees_what_is_planted() {
        assert_eq!(super::all_are_seen().unwrap(), super::PLANTS.len());
    }
}
