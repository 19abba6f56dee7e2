//! Ctrl-C and SIGTERM: noted here, acted on by whoever holds something that must be ended.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether xtask was asked to stop.
#[derive(Clone, Default)]
pub struct Requests(Arc<AtomicBool>);

impl Requests {
    /// True from the first signal on.
    pub fn was_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

static REQUESTS: OnceLock<Requests> = OnceLock::new();

/// The flag. Stays unset until [`listen`] was called.
pub fn requests() -> Requests {
    REQUESTS.get_or_init(Requests::default).clone()
}

/// From now on signals set the flag instead of ending xtask; a second one ends it at once.
pub fn listen() -> Result<()> {
    let flag = requests().0;
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())
            .context("cannot listen for signals")?;
        signal_hook::flag::register(signal, flag.clone()).context("cannot listen for signals")?;
    }
    Ok(())
}
