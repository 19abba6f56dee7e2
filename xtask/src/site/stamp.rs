//! Remembers from what something was made, to skip making it again. Contents count, not times.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The inputs of one product.
pub struct Stamp {
    file: PathBuf,
    digest: Sha256,
}

impl Stamp {
    /// For the product of this name.
    pub fn of(product: &str) -> Result<Stamp> {
        let folder = crate::machine::target_folder()?.join("xtask");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Stamp { file: folder.join(product).with_extension("stamp"), digest: Sha256::new() })
    }

    /// Adds an input. Its length goes in too, so that two inputs never look like one.
    pub fn with(mut self, input: &[u8]) -> Stamp {
        self.digest.update((input.len() as u64).to_le_bytes());
        self.digest.update(input);
        self
    }

    /// Closes it. `None` when these inputs made these products already.
    pub fn unless_made(self, products: &[&Path]) -> Result<Option<Unmade>> {
        let text = self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let made = fs::read_to_string(&self.file).is_ok_and(|old| old == text)
            && products.iter().all(|product| product.is_file());
        Ok((!made).then_some(Unmade { file: self.file, text }))
    }
}

/// To be made; call [`Unmade::made`] when it is.
pub struct Unmade {
    file: PathBuf,
    text: String,
}

impl Unmade {
    /// Remembers it.
    pub fn made(self) -> Result<()> {
        fs::write(&self.file, self.text).with_context(|| format!("cannot write {}", self.file.display()))
    }
}
