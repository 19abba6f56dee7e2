//! Telling a running rclone another limit: it listens on the loopback, on a port that the system chooses, for a
//! password that only this call knows. Nothing that is on its way is sent again.

use super::tool::{Call, Rclone};
use crate::transport::CallContext;
use std::sync::OnceLock;

/// Who talks; rclone wants a name, too.
const USER: &str = "exlab-orchestrator";
/// What rclone says before the address it listens at.
const LISTENS: &str = "Serving remote control on ";

/// The way to one running rclone.
pub(super) struct Control {
    password: String,
    address: OnceLock<String>,
}

impl Control {
    pub fn new() -> Control {
        Control { password: uuid::Uuid::new_v4().simple().to_string(), address: OnceLock::new() }
    }

    /// Has the call listen.
    pub fn over(&self, call: Call) -> Call {
        call.args(["--rc", "--rc-addr=127.0.0.1:0", "--rc-no-auth=false", "--rc-serve=false", "--rc-web-gui=false"])
            .variable("RCLONE_RC_USER", USER.to_owned())
            .variable("RCLONE_RC_PASS", self.password.clone())
    }

    /// What rclone said: perhaps where it listens.
    pub fn hear(&self, message: &str) {
        if let Some((_, address)) = message.split_once(LISTENS) {
            // Newer ones write a list.
            let address = address.trim_matches(|c: char| c == '[' || c == ']' || c.is_whitespace());
            let _ = self.address.set(address.to_owned());
        }
    }

    /// Sets the limit, KiB/s; false when it cannot be told.
    pub async fn set_limit(&self, rclone: &Rclone, limit: Option<u64>, context: &CallContext) -> bool {
        let Some(address) = self.address.get() else { return false };
        let rate = limit.map_or("rate=off".to_owned(), |limit| format!("rate={}k", limit.max(1)));
        let call = rclone.call("rc", "changing the limit").args(["--url", address, "core/bwlimit", &rate]);
        let call = call.variable("RCLONE_USER", USER.to_owned()).variable("RCLONE_PASS", self.password.clone());
        call.ask(context).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_heard_from_every_version() {
        for said in
            ["Serving remote control on http://127.0.0.1:41391/", "Serving remote control on [http://127.0.0.1:41391/]"]
        {
            let control = Control::new();
            control.hear("Config file not found");
            control.hear(said);
            assert_eq!(control.address.get().map(String::as_str), Some("http://127.0.0.1:41391/"));
        }
    }
}
