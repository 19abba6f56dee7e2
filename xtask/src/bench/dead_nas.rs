//! Eight equipments at work at once: how long seven of them take while the eighth one's NAS is dead, beside all but it.

use super::http::Client;
use super::lab::{Equipment, Lab, SENTINEL};
use super::table::{Row, median, value};
use crate::step::Step;
use anyhow::Result;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

const LIVING: usize = 7;
const RUNS_EACH: usize = 4;
const FILES: usize = 200;
const BYTES_EACH: usize = 64 << 10;
const ROUNDS: usize = 3;

/// Seconds from the start of the program until all runs of the living are verified: with the dead one, and without it.
pub fn measure(binary: &Path) -> Result<Vec<Row>> {
    let step = Step::begin("bench: eight equipments, one NAS dead");
    // Takes connections and never says a word: the worst kind.
    let deaf = TcpListener::bind(("127.0.0.1", 0))?;
    let port = deaf.local_addr()?.port();
    let (mut with_dead, mut without) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        step.line(&format!("round {} of {ROUNDS}", round + 1));
        with_dead.push(once(binary, Some(port))?);
        without.push(once(binary, None)?);
    }
    step.end("");
    Ok(vec![Row {
        what: format!("{LIVING} equipments x {RUNS_EACH} runs, an eighth one dead"),
        ours: value(median(&with_dead), "s"),
        peer: "the same without it".into(),
        theirs: Some(value(median(&without), "s")),
        target: "<= 1.05 x",
    }])
}

fn once(binary: &Path, deaf: Option<u16>) -> Result<f64> {
    let living = |n: usize| format!("LIVE_{n:02}");
    let equipment = |nas: &Path| -> Vec<Equipment> {
        let mount = |n| Equipment {
            id: living(n),
            transport: format!("{{type: mount, path: '{}'}}", nas.join(living(n)).display()),
            is_dead: false,
        };
        let dead = deaf.map(|port| Equipment {
            id: "DEAD_01".into(),
            transport: format!(
                "{{type: rsync_ssh, ssh_target: 'root@127.0.0.1', remote_path: '/nowhere', ssh_key_path: '{}', ssh_port: {port}}}",
                nas.join("id").display()
            ),
            is_dead: true,
        });
        (0..LIVING).map(mount).chain(dead).collect()
    };
    let fill = |staging: &Path| -> Result<()> {
        let nas = staging.with_file_name("nas");
        fs::write(nas.join("id"), "no key, and nobody asks for one")?;
        for n in 0..LIVING {
            fs::create_dir(nas.join(living(n)))?;
        }
        let dead = deaf.map(|_| "DEAD_01".to_owned());
        for id in (0..LIVING).map(living).chain(dead) {
            for run in 0..RUNS_EACH {
                let folder = staging.join(&id).join(format!("P/Runs/Run_{run}"));
                fs::create_dir_all(&folder)?;
                for file in 0..FILES {
                    fs::write(
                        folder.join(format!("frame_{file:03}.tif")),
                        format!("{id} {run} {file} ").repeat(BYTES_EACH / 8),
                    )?;
                }
                fs::write(folder.join(SENTINEL), "")?;
            }
        }
        Ok(())
    };
    let mut lab = Lab::open_many(binary, equipment, fill)?;
    let ready = Instant::now();
    let client = Client::new();
    lab.until("the living are verified", Duration::from_secs(300), |lab| {
        let answer = client.json(&lab.url("/staging"))?;
        let rows = answer["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(rows.iter().filter(|row| row["current_state"] == "sync_verified").count() == LIVING * RUNS_EACH)
    })?;
    Ok(ready.elapsed().as_secs_f64())
}
