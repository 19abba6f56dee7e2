//! Measures pushing and proving over the mount transport: `measure_mount FOLDER [FILES] [BYTES_EACH]`. The folder gets
//! a staging tree and a destination; it should lie on the disk that is to be measured.

#![allow(clippy::disallowed_methods, reason = "flushes the disk before it measures")]

use domain::path::{FilePath, RunPath};
use engine::files::hash::Hasher;
use engine::files::source::StagingRoot;
use engine::keep::seal::{Listing, SealWriter};
use engine::machine::progress::ProgressSink;
use engine::transport::mount::MountTransport;
use engine::transport::{CallContext, Marker, Push, Transport};
use engine::verify::{Verification, verify};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: measure_mount FOLDER [FILES] [BYTES_EACH]")?);
    let files: usize = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let bytes: usize = arguments.next().map_or(Ok(10 << 10), |text| text.parse())?;
    let (staging, nas) = (folder.join("staging"), folder.join("nas"));
    let run = RunPath::parse("EQ_1/Project/Runs/Run_1")?;
    let source_folder = staging.join(run.as_str());
    let content: Vec<u8> = (0..bytes).map(|n| (n * 7 % 251) as u8).collect();
    for n in 0..files {
        let parent = source_folder.join(format!("{:03}", n / 100));
        if n % 100 == 0 {
            std::fs::create_dir_all(&parent)?;
        }
        std::fs::write(parent.join(format!("frame-{n:06}.tif")), &content)?;
    }
    std::fs::create_dir_all(&nas)?;
    let synced = std::process::Command::new("sync").status()?;
    println!("{files} files of {bytes} bytes written, sync {synced}");

    let transport = MountTransport::new(nas, staging.clone());
    let context =
        CallContext { cancel: CancellationToken::new(), progress: ProgressSink::new(), limit: Arc::new(|| None) };
    let marker = Marker {
        what: "measurement".to_owned(),
        installation: "measurement".to_owned(),
        equipment: "EQ_1".to_owned(),
        created_at: domain::timestamp::Timestamp::from_unix_seconds(0),
        host: "here".to_owned(),
    };
    transport.mark(&marker, false, &context).await?;
    let source = StagingRoot::open(&staging)?.run(&run)?;

    let began = Instant::now();
    let listing = Listing::of_run(&source, &folder.join("listing"), 0, |_| ())?;
    println!("list   {:8.3} s", began.elapsed().as_secs_f64());
    let writer = SealWriter::open(&listing, &folder.join("seal"))?;
    let pushing = Instant::now();
    let push = Push {
        run: &run,
        source: &source,
        listing: &listing,
        seal: &writer,
        again: None,
        placed_by_us: &|_| false,
        placed: &|_| (),
        hashed: &|_| (),
    };
    transport.push(push, &context).await?;
    let seal = writer.finish(0)?;
    println!("push   {:8.3} s  (hash while copying, one syncfs)", pushing.elapsed().as_secs_f64());
    let verifying = Instant::now();
    match verify(&transport, &run, &seal, Some(&source), &context).await? {
        Verification::Proven(manifest) => {
            println!("verify {:8.3} s  {} {}", verifying.elapsed().as_secs_f64(), manifest.level(), manifest.method());
        }
        Verification::Differs { reason, .. } => return Err(reason.into()),
    }
    println!(
        "all    {:8.3} s  {:.1} MB/s",
        began.elapsed().as_secs_f64(),
        (files * bytes) as f64 / began.elapsed().as_secs_f64() / 1e6
    );

    let first = FilePath::new("000/frame-000000.tif")?;
    let stat = source.stat(&first)?;
    let mut hasher = Hasher::new();
    for attempt in 0..3 {
        let began = Instant::now();
        hasher.local(&source, &first, &stat, &context.cancel, &|_| ())?;
        println!(
            "hash of one cached file, attempt {attempt}: {:.3} GB/s",
            bytes as f64 / began.elapsed().as_secs_f64() / 1e9
        );
    }
    println!(
        "{}",
        std::fs::read_to_string("/proc/self/status")?
            .lines()
            .filter(|line| line.starts_with("VmHWM"))
            .collect::<String>()
    );
    Ok(())
}
