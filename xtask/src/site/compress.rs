//! `.br` and `.gz` beside every file of the site, so that the server never compresses what never changes.

use super::{files_of, stamp::Stamp, with_suffix, write_if_changed};
use crate::step::Step;
use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const SUFFIXES: [&str; 2] = ["br", "gz"];

/// Compresses what changed, and removes what belongs to no file any more.
pub fn build(package: &Path) -> Result<()> {
    let (packed, plain): (Vec<PathBuf>, Vec<PathBuf>) =
        files_of(package)?.into_iter().partition(|file| suffix_of(file).is_some());
    for file in packed {
        let original = file.with_extension("");
        if !plain.contains(&original) {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    for file in &plain {
        one(package, file)?;
    }
    Ok(())
}

fn suffix_of(file: &Path) -> Option<&str> {
    file.extension().and_then(|extension| extension.to_str()).filter(|extension| SUFFIXES.contains(extension))
}

fn one(package: &Path, file: &Path) -> Result<()> {
    let name = file.strip_prefix(package)?.display().to_string();
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let products = SUFFIXES.map(|suffix| with_suffix(file, suffix));
    let stamp = Stamp::of(&format!("compressed-{}", name.replace('/', "-")))?.with(&bytes);
    let Some(unmade) = stamp.unless_made(&[&products[0], &products[1]])? else { return Ok(()) };
    let step = Step::begin(format!("panel: compressing {name}"));
    let (brotli, gzip) = std::thread::scope(|scope| {
        let brotli = scope.spawn(|| brotli(&bytes));
        let gzip = gzip(&bytes);
        (brotli.join(), gzip)
    });
    let brotli = brotli.map_err(|_| anyhow::anyhow!("the compressor panicked on {name}"))??;
    write_if_changed(&products[0], &brotli)?;
    write_if_changed(&products[1], &gzip?)?;
    step.end(&format!("{} -> {} kB", bytes.len() / 1000, brotli.len() / 1000));
    unmade.made()
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let parameters =
        brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, size_hint: bytes.len(), ..Default::default() };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut out, &parameters)?;
    Ok(out)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_was_packed_unpacks_to_the_same() {
        let bytes = b"td { padding: 4px } ".repeat(200);
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut &*brotli(&bytes).unwrap(), &mut back).unwrap();
        assert_eq!(back, bytes);
        let packed = gzip(&bytes).unwrap();
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&*packed).read_to_end(&mut back).unwrap();
        assert_eq!(back, bytes);
    }
}
