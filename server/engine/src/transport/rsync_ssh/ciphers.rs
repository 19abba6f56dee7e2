//! Which ciphers ssh is asked to try first.

use super::server::Server;
use crate::machine::child::{Tool, run};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Tried first where this computer's processor has instructions for it: half the work of what ssh tries first by
/// itself.
const QUICK_CIPHERS: [&str; 2] = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"];

/// The ciphers that ssh would use by itself and by the account's own file, the quick ones first; none is added. `None`:
/// as ssh likes.
pub(super) async fn of(server: &Server) -> Option<String> {
    if !has_aes() {
        return None;
    }
    let tool = Tool::new(&server.ssh).args(["-G", "--", &server.for_ssh()]);
    let (never, mut said) = (CancellationToken::new(), Vec::new());
    let mut hear = |bytes: &[u8]| said.extend_from_slice(bytes);
    let asked = tokio::time::timeout(Duration::from_secs(5), run(&tool, &[], &mut hear, &never)).await;
    matches!(asked, Ok(Ok(ended)) if ended.success()).then_some(())?;
    quick_first(&String::from_utf8_lossy(&said))
}

/// Of what `ssh -G` says.
fn quick_first(said: &str) -> Option<String> {
    let known: Vec<&str> = said.lines().find_map(|line| line.strip_prefix("ciphers "))?.trim().split(',').collect();
    let (quick, others): (Vec<&str>, Vec<&str>) = known.into_iter().partition(|cipher| QUICK_CIPHERS.contains(cipher));
    (!quick.is_empty()).then(|| [quick, others].concat().join(","))
}

fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::quick_first;

    #[test]
    fn quick_ciphers_come_first_and_none_is_added_that_the_account_does_not_allow() {
        let said = "user kim\nciphers chacha20-poly1305@openssh.com,aes128-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com\nport 22\n";
        let expected = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr";
        assert_eq!(quick_first(said).as_deref(), Some(expected));
        assert_eq!(quick_first("ciphers aes256-ctr\n"), None, "an account that allows none of them is left alone");
        assert_eq!(quick_first("port 22\n"), None);
    }
}
