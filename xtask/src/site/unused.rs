//! Leaves out of the panel what nothing calls, though the linker cannot know it.
//!
//! A view of Leptos whose type is erased carries its functions as pointers, one of them to hydrate it piece by piece.
//! The panel hydrates in one go, so these are never called; but the linker keeps what is pointed to, and all that is
//! called from there, and it is a tenth of the download. Here their bodies become a trap. What a body refers to is told
//! by its relocations, and goes with them.

use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::ops::Range;
use wasmparser::{KnownCustom, Name, Parser, Payload, RelocAddendKind, RelocationEntry, TypeRef};

/// Parts of the names of the functions that are never called.
const NEVER_CALLED: [&str; 3] = ["any_view", "into_any", "hydrate_async"];

/// Part of the names of those that would call them.
const CALLERS: [&str; 2] = ["hydrate_from_async", "hydrate_lazy"];

const TRAP: u8 = 0x00;
const NOTHING: u8 = 0x01;
const END: u8 = 0x0b;

/// The linked module, with names and relocations, without the bodies of what is never called.
pub fn leave_out(module: &[u8]) -> Result<Vec<u8>> {
    let read = Read::of(module)?;
    let mut bodies = Vec::new();
    for (index, name) in &read.names {
        if CALLERS.iter().any(|part| name.contains(part)) {
            bail!("{name} hydrates piece by piece: what it calls cannot be left out of the panel any more");
        }
        let called = read.bodies.get((*index as usize).wrapping_sub(read.imported));
        bodies.extend(
            called
                .filter(|_| NEVER_CALLED.iter().all(|part| name.contains(part)) && !name.contains("closure"))
                .cloned(),
        );
    }
    if bodies.is_empty() {
        bail!("no function to hydrate piece by piece was found: has Leptos other names for them?");
    }
    let mut out = module.to_vec();
    for body in &bodies {
        // No locals, then the trap; the length stays, so that everything else does.
        let body = &mut out[body.clone()];
        body.fill(NOTHING);
        body[0] = 0;
        body[1] = TRAP;
        *body.last_mut().context("a function without a body")? = END;
    }
    let kept: Vec<RelocationEntry> =
        read.relocations.into_iter().filter(|entry| !inside(&bodies, read.code + entry.offset as usize)).collect();
    out.splice(read.relocation_section, encoded(read.code_index, &kept));
    Ok(out)
}

fn inside(bodies: &[Range<usize>], at: usize) -> bool {
    bodies.iter().any(|body| body.contains(&at))
}

/// What is told about the code.
struct Read {
    imported: usize,
    /// Where the code section's content begins: relocations count from there.
    code: usize,
    code_index: u32,
    bodies: Vec<Range<usize>>,
    names: HashMap<u32, String>,
    relocations: Vec<RelocationEntry>,
    /// The whole custom section, its head included.
    relocation_section: Range<usize>,
}

impl Read {
    fn of(module: &[u8]) -> Result<Read> {
        let mut read = Read {
            imported: 0,
            code: 0,
            code_index: 0,
            bodies: Vec::new(),
            names: HashMap::new(),
            relocations: Vec::new(),
            relocation_section: 0..0,
        };
        // The first section follows magic number and version.
        let (mut sections, mut end) = (0_u32, 8_usize);
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            match &payload {
                Payload::ImportSection(imports) => {
                    for import in imports.clone().into_imports() {
                        read.imported += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::CodeSectionStart { range, .. } => {
                    read.code = range.start as usize;
                    read.code_index = sections;
                }
                Payload::CodeSectionEntry(body) => {
                    read.bodies.push(body.range().start as usize..body.range().end as usize)
                }
                Payload::CustomSection(custom) => match custom.as_known() {
                    KnownCustom::Name(subsections) => {
                        for subsection in subsections {
                            if let Name::Function(names) = subsection? {
                                for naming in names {
                                    let naming = naming?;
                                    read.names.insert(naming.index, naming.name.to_owned());
                                }
                            }
                        }
                    }
                    KnownCustom::Reloc(reader) if custom.name() == "reloc.CODE" => {
                        read.relocations = reader.entries().into_iter().collect::<Result<_, _>>()?;
                        read.relocation_section = end..custom.range().end as usize;
                    }
                    _ => {}
                },
                _ => {}
            }
            if let Some((_, range)) = payload.as_section() {
                sections += 1;
                end = range.end as usize;
            }
        }
        if read.relocation_section.is_empty() {
            bail!("the panel was linked without relocations");
        }
        Ok(read)
    }
}

/// `reloc.CODE` with these entries.
fn encoded(section: u32, entries: &[RelocationEntry]) -> Vec<u8> {
    const NAME: &[u8] = b"reloc.CODE";
    let mut content = Vec::new();
    leb(&mut content, NAME.len() as i64, false);
    content.extend_from_slice(NAME);
    leb(&mut content, section.into(), false);
    leb(&mut content, entries.len() as i64, false);
    for entry in entries {
        content.push(entry.ty as u8);
        leb(&mut content, entry.offset.into(), false);
        leb(&mut content, entry.index.into(), false);
        if entry.ty.addend_kind() != RelocAddendKind::None {
            leb(&mut content, entry.addend, true);
        }
    }
    let mut out = vec![0];
    leb(&mut out, content.len() as i64, false);
    out.extend(content);
    out
}

/// LEB128, as WebAssembly writes its numbers.
fn leb(out: &mut Vec<u8>, mut number: i64, signed: bool) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        let done =
            if signed { (number == 0 && low & 0x40 == 0) || (number == -1 && low & 0x40 != 0) } else { number == 0 };
        out.push(if done { low } else { low | 0x80 });
        if done {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section: its number, and its content behind its length.
    fn section(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number];
        leb(&mut out, content.len() as i64, false);
        out.extend_from_slice(content);
        out
    }

    /// Two functions that call each other, of these names, with relocations of both calls.
    fn module(names: [&str; 2]) -> Vec<u8> {
        let mut out = b"\0asm\x01\0\0\0".to_vec();
        out.extend(section(1, &[1, 0x60, 0, 0]));
        out.extend(section(3, &[2, 0, 0]));
        // No locals, `call` with its number in five bytes, `end`.
        let body = |callee: u8| [8, 0, 0x10, 0x80 | callee, 0x80, 0x80, 0x80, 0, END];
        out.extend(section(10, &[[2].as_slice(), &body(1), &body(0)].concat()));
        let call =
            |offset| RelocationEntry { ty: wasmparser::RelocationType::FunctionIndexLeb, offset, index: 0, addend: 0 };
        out.extend(encoded(2, &[call(4), call(13)]));
        let mut functions = vec![2];
        for (index, name) in names.iter().enumerate() {
            functions.push(index as u8);
            functions.push(name.len() as u8);
            functions.extend(name.bytes());
        }
        out.extend(section(0, &[b"\x04name".as_slice(), &section(1, &functions)].concat()));
        out
    }

    #[test]
    fn what_is_never_called_becomes_a_trap_without_relocations() {
        let before = module(["any_view::into_any::hydrate_async", "kept"]);
        let after = leave_out(&before).unwrap();
        wasmparser::Validator::new().validate_all(&after).unwrap();
        let (before, after) = (Read::of(&before).unwrap(), Read::of(&after).map(|read| (read, after)).unwrap());
        let (read, bytes) = after;
        assert_eq!(read.bodies, before.bodies, "nothing moves");
        assert_eq!(bytes[read.bodies[0].clone()], [0, TRAP, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, END]);
        assert_eq!(read.relocations, before.relocations[1..], "the other call is still told");
    }

    #[test]
    fn a_panel_that_hydrates_piece_by_piece_is_refused() {
        let error = leave_out(&module(["any_view::into_any::hydrate_async", "mount::hydrate_from_async"])).unwrap_err();
        assert!(error.to_string().contains("hydrate_from_async"), "{error}");
        assert!(leave_out(&module(["kept", "kept_too"])).is_err(), "nothing to leave out is news");
    }
}
