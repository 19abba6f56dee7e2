//! Whether a list carries what was sealed: a run may be cleared only when its streams and labels are proven like its
//! bytes.

use crate::files::source::{Attribute, digest_of};
use crate::keep::seal::{Item, SealError, SealReader};
use domain::proof::Digest;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::{BufReader, Read};

#[derive(Deserialize)]
struct Listed {
    attributes: Vec<Line>,
    values: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Line {
    path: String,
    name: String,
    sha256: String,
}

/// True where this `metadata.json` holds names and values of all attributes that were sealed; whatever its bytes are,
/// it says so by their digests. Blocking.
pub fn carries(metadata: Option<impl Read>, seal: &SealReader) -> Result<bool, SealError> {
    // Read when the first is asked for: most runs have none.
    let mut metadata = metadata;
    let mut listed: Option<HashMap<String, Vec<Attribute>>> = None;
    for sealed in seal.entries()? {
        let sealed = sealed?;
        let (Some(digest), Item::File { path, .. }) = (sealed.attributes, &sealed.item) else { continue };
        let attributes =
            listed.get_or_insert_with(|| metadata.take().map(by_path).unwrap_or_default()).remove(&path.to_string());
        if !attributes.is_some_and(|attributes| says(attributes, digest)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Attributes by path; none if it is no such list, and none whose value is missing.
fn by_path(metadata: impl Read) -> HashMap<String, Vec<Attribute>> {
    let mut found: HashMap<String, Vec<Attribute>> = HashMap::new();
    let Ok(Listed { attributes, values }) = serde_json::from_reader(BufReader::new(metadata)) else { return found };
    for Line { path, name, sha256 } in attributes {
        if let Some(value) = values.get(&sha256).and_then(|value| hex::decode(value).ok()) {
            found.entry(path).or_default().push(Attribute { name: name.into_bytes(), value });
        }
    }
    found
}

fn says(mut attributes: Vec<Attribute>, sealed: Digest) -> bool {
    attributes.sort();
    if digest_of(&attributes) == Some(sealed) {
        return true;
    }
    // Names that are no text are written with their bytes as `\xff`.
    for attribute in &mut attributes {
        attribute.name = unescaped(&attribute.name);
    }
    attributes.sort();
    digest_of(&attributes) == Some(sealed)
}

fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let byte = rest.strip_prefix(br"\x").and_then(|rest| rest.get(..2)).and_then(|digits| hex::decode(digits).ok());
        match byte.as_deref() {
            Some([byte]) if *byte >= 0x80 => {
                out.push(*byte);
                rest = &rest[4..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d19_what_a_list_says_is_held_against_the_seal() {
        let attribute = |name: &[u8], value: &[u8]| Attribute { name: name.to_vec(), value: value.to_vec() };
        let two = vec![attribute(b"user.a", b"1"), attribute(b"user.b", b"2")];
        let sealed = digest_of(&two).unwrap();
        let turned = vec![two[1].clone(), two[0].clone()];
        assert!(says(turned, sealed), "in whatever order");
        assert!(!says(two[..1].to_vec(), sealed));
        assert!(!says(vec![two[0].clone(), attribute(b"user.b", b"3")], sealed));
        let odd = digest_of(&[attribute(b"user.\xff", b"1")]).unwrap();
        assert!(says(vec![attribute(br"user.\xff", b"1")], odd));
        let literal = digest_of(&[attribute(br"user.\xff", b"1")]).unwrap();
        assert!(says(vec![attribute(br"user.\xff", b"1")], literal));
        assert!(by_path(&b"{}"[..]).is_empty() && by_path(&b""[..]).is_empty());
    }
}
