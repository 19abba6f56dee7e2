//! Measures pushing and proving over ssh: `measure_rsync_ssh FOLDER USER@HOST PORT KEY [FILES] [BYTES_EACH]`. The folder gets a
//! staging tree and, when the host is this computer, the destination.

use domain::path::RunPath;
use domain::settings::HostKeyPolicy;
use engine::progress::ProgressSink;
use engine::seal::{Listing, SealWriter};
use engine::source::StagingRoot;
use engine::transport::rsync_ssh::{RsyncSshTransport, Server};
use engine::transport::{CallContext, Marker, Push, Transport, hash_first};
use engine::verify::{Verification, verify};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: measure_rsync_ssh FOLDER USER@HOST PORT KEY [FILES] [BYTES_EACH]";
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(usage);
    let (folder, target, port, key) = (PathBuf::from(next()?), next()?, next()?.parse()?, PathBuf::from(next()?));
    let files: usize = next().unwrap_or_else(|_| "10000".to_owned()).parse()?;
    let bytes: usize = next().unwrap_or_else(|_| "65536".to_owned()).parse()?;
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
    println!("{files} files of {bytes} bytes written");
    let known_hosts = folder.join("known_hosts");
    let (ssh, rsync) = ("ssh".to_owned(), "rsync".to_owned());
    let server = Server { target, port, key, known_hosts, host_keys: HostKeyPolicy::AcceptNew, ssh, rsync };
    let transport = RsyncSshTransport::new(server, nas.display().to_string(), staging.clone(), None);
    let context = CallContext { cancel: CancellationToken::new(), progress: ProgressSink::new(), limit: Arc::new(|| None) };
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
    let hashing = Instant::now();
    hash_first(&source, &listing, &writer, &context)?;
    println!("hash   {:8.3} s", hashing.elapsed().as_secs_f64());
    let pushing = Instant::now();
    let push =
        Push { run: &run, source: &source, listing: &listing, seal: &writer, again: None, placed_by_us: &|_| false, placed: &|_| () };
    transport.push(push, &context).await?;
    let seal = writer.finish(0)?;
    println!("push   {:8.3} s", pushing.elapsed().as_secs_f64());
    let verifying = Instant::now();
    match verify(&transport, &run, &seal, Some(&source), &context).await? {
        Verification::Proven(manifest) => {
            println!("verify {:8.3} s  {} {}", verifying.elapsed().as_secs_f64(), manifest.level(), manifest.method());
        }
        Verification::Differs { reason, .. } => return Err(reason.into()),
    }
    println!("all    {:8.3} s  {:.1} MB/s", began.elapsed().as_secs_f64(), (files * bytes) as f64 / began.elapsed().as_secs_f64() / 1e6);
    Ok(())
}
