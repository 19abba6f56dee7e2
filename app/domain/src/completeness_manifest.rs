//! Reading of a completeness manifest: `{"files":[{"path": str, "size": int}, ...]}`.
//!
//! Streamed rather than read into a JSON tree, so that a manifest of a million files costs its paths and no more. What
//! is wrong is said with the entry's index, which JSON libraries do not know.

use crate::document::text::{as_meant, no_json};
use crate::path::FilePath;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

type Files = Vec<(FilePath, u64)>;

pub(super) fn parse(bytes: &[u8]) -> Result<Files, String> {
    let bytes = as_meant(bytes);
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    let found = Top.deserialize(&mut reader).and_then(|found| reader.end().map(|()| found));
    let files = found.map_err(|error| {
        format!("the manifest is not JSON: {}; the instrument must write it whole", no_json(&bytes, &error))
    })??;
    if files.is_empty() {
        return Err("the manifest's `files` is empty: it must list every file of the run".into());
    }
    let mut seen = HashSet::with_capacity(files.len());
    match files.iter().position(|(path, _)| !seen.insert(path)) {
        Some(index) => {
            Err(format!("the manifest's files[{index}] lists {} a second time: list every file once", files[index].0))
        }
        None => Ok(files),
    }
}

/// The manifest itself. The outer error is JSON's, the inner one ours.
struct Top;

impl<'de> DeserializeSeed<'de> for Top {
    type Value = Result<Files, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top {
    type Value = Result<Files, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `files`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "files" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let list = map.next_value_seed(List)?;
            let twice = found.is_some();
            found = Some(if twice { Err("the manifest has `files` twice: write one list".into()) } else { list });
        }
        Ok(found.unwrap_or_else(|| {
            Err("the manifest has no `files`: it must be {\"files\": [{\"path\": .., \"size\": ..}, ..]}".into())
        }))
    }
}

/// The value of `files`.
struct List;

impl<'de> DeserializeSeed<'de> for List {
    type Value = Result<Files, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Result<Files, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut files = Ok(Vec::new());
        let mut index = 0_usize;
        while let Some(shape) = seq.next_element_seed(Shapes)? {
            if let Ok(list) = &mut files {
                match entry(shape) {
                    Ok(file) => list.push(file),
                    Err(wrong) => files = Err(format!("the manifest's files[{index}] {wrong}")),
                }
            }
            index += 1;
        }
        Ok(files)
    }
}

fn entry(shape: Shape) -> Result<(FilePath, u64), String> {
    let Shape::Object { path, size, twice } = shape else {
        return Err(format!("is {}: it must be an object with `path` and `size`", shape.name()));
    };
    if twice {
        return Err("has a key twice: write `path` and `size` once".into());
    }
    let path = match path.map(|path| *path) {
        Some(Shape::Text(path)) => path,
        Some(other) => return Err(format!("has {} as `path`: it must be a text", other.name())),
        None => return Err("has no `path`: give the file's path inside the run".into()),
    };
    let size = match size.map(|size| *size) {
        Some(Shape::Size(size)) => size,
        Some(other) => {
            return Err(format!("({path:?}) has {} as `size`: it must be a whole number of bytes", other.name()));
        }
        None => return Err(format!("({path:?}) has no `size`: give the file's bytes")),
    };
    if is_absolute(&path) {
        return Err(format!("has the absolute path {path:?}: paths are relative to the run's folder"));
    }
    if path.contains('\\') && !stays_inside(&path) {
        return Err(format!(
            "has the path {path:?}: '..' and a path that names no file are refused, with backslashes as with slashes"
        ));
    }
    let refused = format!("has the path {path:?}: empty segments, '.', '..' and NUL are refused");
    FilePath::new(path).map(|path| (path, size)).map_err(|_| refused)
}

/// As Windows means it: backslashes part segments, and empty ones and `.` say nothing.
fn stays_inside(path: &str) -> bool {
    let mut segments = path.split(['/', '\\']).filter(|segment| !matches!(*segment, "" | ".")).peekable();
    segments.peek().is_some() && segments.all(|segment| segment != "..")
}

/// Also as Windows means it: such a file can never be inside the run, and waiting for it would say so nowhere.
fn is_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let drive =
        bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'\\' | b'/');
    drive || path.starts_with('/') || path.starts_with("\\\\")
}

/// A JSON value, known just well enough to say what it is.
enum Shape {
    Object { path: Option<Box<Shape>>, size: Option<Box<Shape>>, twice: bool },
    Text(String),
    Size(u64),
    Other(&'static str),
}

impl Shape {
    fn name(&self) -> &'static str {
        match self {
            Shape::Object { .. } => "an object",
            Shape::Text(_) => "a text",
            Shape::Size(_) => "a number",
            Shape::Other(name) => name,
        }
    }
}

struct Shapes;

impl<'de> DeserializeSeed<'de> for Shapes {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shapes {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Other("a boolean"))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Shape, E> {
        Ok(Shape::Size(n))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Shape, E> {
        Ok(u64::try_from(n).map_or(Shape::Other("a negative number"), Shape::Size))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Other("a number that is not whole"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let (mut path, mut size, mut twice) = (None, None, false);
        while let Some(key) = map.next_key::<String>()? {
            let slot = match key.as_str() {
                "path" => &mut path,
                "size" => &mut size,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            twice |= slot.is_some();
            *slot = Some(Box::new(map.next_value_seed(Shapes)?));
        }
        Ok(Shape::Object { path, size, twice })
    }
}
