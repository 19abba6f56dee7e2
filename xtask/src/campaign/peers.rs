//! placeholder
use anyhow::Result;
/// x
pub fn run(_seed: u64, _minutes: u64) -> Result<()> {
    Ok(())
}
