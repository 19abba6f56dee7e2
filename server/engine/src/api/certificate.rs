//! The certificate of custody: the run's detail, and who vouches for it.

use super::Engine;
use super::answers::store_problem;
use domain::api::{Certificate, ClearedRun};
use domain::problem::Problem;
use domain::timestamp::Timestamp;

impl Engine {
    /// Everything that shows what became of a run's data, also when it is cleared and gone.
    pub async fn certificate(&self, run: &str) -> Result<Certificate, Problem> {
        let detail = self.run_detail(run).await?;
        let core = &self.core;
        let run = self.parse(run)?;
        let ended = core
            .store
            .last_ended_life(&run)
            .await
            .map_err(store_problem)?
            .filter(|ended| ended.life == detail.row.life);
        let cleared = ended.map(|ended| ClearedRun {
            run_path: ended.run.as_str().to_owned(),
            life: ended.life,
            cleared_at: Timestamp::from_unix_seconds(ended.cleared_ms.div_euclid(1000)),
            files_freed: ended.freed.files,
            bytes_freed: ended.freed.bytes,
            nas_path: ended.nas_path,
            seal: ended.seal.map(|seal| seal.to_string()).unwrap_or_default(),
            proven_at: detail.row.proof.as_ref().map(|proof| proof.at),
            proof_level: detail.row.proof.as_ref().map(|proof| proof.level),
            damage: detail.row.job.as_ref().and_then(|job| job.error.clone()),
        });
        Ok(Certificate {
            issued_at: core.site.clock.now(),
            installation: core.site.installation.clone(),
            label: core.site.label.clone(),
            host: core.site.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            equipment_label: core
                .site
                .settings
                .equipment(run.equipment())
                .map(|equipment| equipment.label.clone())
                .unwrap_or_default(),
            cleared,
            run: detail,
        })
    }
}
