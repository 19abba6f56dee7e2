//! `equipment[].transport`: where an equipment's runs go, how, and how fast (docs/proof.md).

use super::node::Position;
use super::place;
use super::section::{Located, Section};
use crate::environment::Environment;
use domain::bandwidth::{Bandwidth, Day, Window, parse_time_of_day};
use domain::settings::{HostKeyPolicy, Target, Transport};

#[derive(Clone, Copy)]
enum Kind {
    Mount,
    Rclone,
    RsyncSsh,
}

const KINDS: [(&str, Kind); 3] = [("mount", Kind::Mount), ("rclone", Kind::Rclone), ("rsync_ssh", Kind::RsyncSsh)];
const POLICIES: [(&str, HostKeyPolicy); 2] =
    [("accept-new", HostKeyPolicy::AcceptNew), ("strict", HostKeyPolicy::Strict)];

/// Reads the block; `None` when something in it is wrong.
pub fn read(mut section: Section<'_>, environment: &Environment) -> Option<Located<Transport>> {
    let at = section.at();
    refuse_password(&mut section);
    let bandwidth = read_bandwidth(section.section("bandwidth"));
    section.required_text("type", "write mount, rclone or rsync_ssh");
    let kind = section.word("type", &KINDS);
    let target = match kind? {
        Kind::Mount => mount(&mut section, environment),
        Kind::Rclone => rclone(&mut section, environment),
        Kind::RsyncSsh => rsync_ssh(&mut section, environment),
    };
    section.finish();
    Some(Located { at, value: Transport { target: target?, bandwidth } })
}

fn mount(section: &mut Section<'_>, environment: &Environment) -> Option<Target> {
    let path = required(section, "path", "write the equipment's folder on the mounted NAS", |text| {
        place::local_path(text, environment)
    })?;
    Some(Target::Mount { path })
}

fn rclone(section: &mut Section<'_>, environment: &Environment) -> Option<Target> {
    let remote = required(section, "rclone_remote", "write the remote's name in rclone.conf", place::rclone_remote);
    let path =
        required(section, "rclone_remote_path", "write the equipment's folder at the remote", place::remote_path);
    let config = checked(section, "rclone_config", |text| place::local_path(text, environment));
    Some(Target::Rclone { remote: remote?, path: path?, config: config.ok()? })
}

fn rsync_ssh(section: &mut Section<'_>, environment: &Environment) -> Option<Target> {
    let local = |text: &str| place::local_path(text, environment);
    let ssh_target = required(section, "ssh_target", "write user@host", place::ssh_target);
    let path = required(section, "remote_path", "write the equipment's folder at the server", place::remote_path);
    let key = checked(section, "ssh_key_path", local).and_then(|written| match written {
        Some(path) => Ok(path),
        None => environment
            .expand("~/.ssh/id_ed25519")
            .map_err(|error| section.mistake(section.at(), "ssh_key_path", error.to_string())),
    });
    let known_hosts = checked(section, "known_hosts", local);
    let port = section.whole("ssh_port", 1..=u64::from(u16::MAX)).and_then(|port| u16::try_from(port).ok());
    let policy = section.word("host_key_policy", &POLICIES);
    Some(Target::RsyncSsh {
        ssh_target: ssh_target?,
        path: path?,
        port: port.unwrap_or(22),
        key_path: key.ok()?,
        known_hosts: known_hosts.ok()?,
        host_keys: policy.unwrap_or(HostKeyPolicy::AcceptNew),
    })
}

fn refuse_password(section: &mut Section<'_>) {
    if let Some(entry) = section.take_refused("password") {
        section.mistake(
            entry.key_at,
            "password",
            "secrets do not belong in this file; use a key (ssh_key_path) or `rclone config`, and remove this line",
        );
    }
}

/// A text that must be there and pass `check`.
fn required(
    section: &mut Section<'_>,
    key: &'static str,
    what: &str,
    check: impl Fn(&str) -> Result<String, String>,
) -> Option<String> {
    section.required_text(key, what)?;
    checked(section, key, check).ok()?
}

/// A text that passes `check` when it is there; `Err` when it does not, and it was reported.
fn checked(
    section: &mut Section<'_>,
    key: &'static str,
    check: impl Fn(&str) -> Result<String, String>,
) -> Result<Option<String>, ()> {
    let Some(text) = section.text(key) else { return Ok(None) };
    check(&text.value).map(Some).map_err(|what| section.mistake(text.at, key, what))
}

fn read_bandwidth(mut section: Section<'_>) -> Bandwidth {
    let upload_mbps = section.positive_number("upload_mbps");
    let name = section.name("schedule");
    let report = section.report();
    let items = section.list("schedule");
    let windows = items.iter().enumerate().filter_map(|(index, item)| {
        let mut window = Section::new(format!("{name}[{index}]"), item.at, item, report);
        let read = read_window(&mut window);
        window.finish();
        read
    });
    let schedule = windows.collect();
    section.finish();
    Bandwidth { upload_mbps, schedule }
}

fn read_window(section: &mut Section<'_>) -> Option<Window> {
    let days = section.words("days", &Day::ALL.map(|day| (day.as_str(), day)));
    if section.list("days").is_empty() {
        section.missing("days", "write e.g. [mon, tue, wed, thu, fri]");
    }
    // The Python system writes `from_` in some versions.
    let (old, usual) = (section.text("from_"), section.text("from"));
    let from = old.or(usual);
    let to = section.text("to");
    let from = time_of_day(section, "from", from);
    let to = time_of_day(section, "to", to);
    let (from, to) = (from?, to?);
    if from.value >= to.value {
        let advice = "must be before `to`; write a window over midnight as two windows";
        section.mistake(from.at, "from", advice);
        return None;
    }
    (!days.is_empty()).then_some(Window { days, from_second: from.value, to_second: to.value })
}

fn time_of_day(section: &Section<'_>, key: &str, text: Option<Located<String>>) -> Option<Located<u32>> {
    let Some(text) = text else {
        section.missing(key, "write a time as \"HH:MM\"");
        return None;
    };
    let read = parse_time_of_day(&text.value).map_err(|what| section.mistake(text.at, key, what));
    read.ok().map(|value| Located { at: text.at, value })
}

/// What two equipments must not share (V13): the folder a target names, whatever account or spelling leads there.
pub fn shared_place(target: &Target) -> String {
    match target {
        Target::Mount { path } => path.clone(),
        Target::Rclone { remote, path, .. } => format!("{remote}:{path}"),
        Target::RsyncSsh { ssh_target, path, port, .. } => {
            let host = ssh_target.rsplit_once('@').map_or(ssh_target.as_str(), |(_, host)| host).to_ascii_lowercase();
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            // A relative path begins in the account's home, so the account matters there only.
            let account = if path.starts_with('/') { host } else { ssh_target.clone() };
            format!("{account}:{port}:{path}")
        }
    }
}

/// Refuses a mounted target that lies inside the staging tree or around it (D12): every hash would agree, and clearing
/// would delete the only copy.
pub fn apart_from_staging(target: &Target, staging_root: &str) -> Result<(), String> {
    match target {
        Target::Mount { path } if place::overlap(path, staging_root) => Err(format!(
            "{path:?} and the staging root {staging_root:?} lie inside one another; the NAS folder must be a place of its own"
        )),
        _ => Ok(()),
    }
}

/// Where the transport's own key for the place stands in messages.
pub fn place_key(target: &Target) -> &'static str {
    match target {
        Target::Mount { .. } => "path",
        Target::Rclone { .. } => "rclone_remote_path",
        Target::RsyncSsh { .. } => "remote_path",
    }
}

/// Position and target of a transport, for checks across equipments.
pub struct PlacedTarget<'a> {
    /// The equipment.
    pub equipment: &'a str,
    /// Where its transport stands.
    pub at: Position,
    /// The target.
    pub target: &'a Target,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn ssh(ssh_target: &str, path: &str) -> Target {
        Target::RsyncSsh {
            ssh_target: ssh_target.into(),
            path: path.into(),
            port: 22,
            key_path: "/k".into(),
            known_hosts: None,
            host_keys: HostKeyPolicy::Strict,
        }
    }

    #[rstest]
    #[case(ssh("a@nas", "/srv/x"), ssh("b@NAS", "/srv/x"), true)]
    #[case(ssh("a@nas", "x"), ssh("b@nas", "x"), false)]
    #[case(ssh("a@nas", "/srv/x"), ssh("a@nas", "/srv/y"), false)]
    fn v13_one_place_under_two_names(#[case] a: Target, #[case] b: Target, #[case] same: bool) {
        assert_eq!(shared_place(&a) == shared_place(&b), same);
    }
}
