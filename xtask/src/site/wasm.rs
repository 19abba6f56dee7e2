//! `frontend` to JavaScript and WebAssembly: cargo, the split into parts, wasm-bindgen (both as libraries, the latter
//! at Cargo.lock's version), wasm-opt where there is one.
//!
//! The page asks for `/pkg/NAME.js` and `/pkg/NAME.wasm` (see `app/src/shell.rs`); parts are asked for by
//! [`split::LOADER`].

use super::{OUTPUT_NAME, WASM_TARGET, split, stamp::Stamp, write_if_changed};
use crate::machine;
use crate::process::{self, Call};
use crate::step::Step;
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Since this version binaryen reads what rustc writes without being told to accept everything.
const FIRST_BINARYEN_WITH_DEFAULTS: u32 = 120;

/// Small on the wire. Nothing is inlined: code that was alike no longer is afterwards, and compresses a tenth worse.
const OPTIMISE: [&str; 4] = [
    "-Oz",
    "--always-inline-max-function-size=0",
    "--one-caller-inline-max-function-size=0",
    "--flexible-inline-max-function-size=0",
];

/// Fills `package` with the panel's scripts and WebAssembly.
pub fn build(package: &Path) -> Result<()> {
    add_target()?;
    let compiled = compile()?;
    let optimiser = Optimiser::find();
    let input = fs::read(&compiled).with_context(|| format!("cannot read {}", compiled.display()))?;
    let script = package.join(OUTPUT_NAME).with_extension("js");
    let wasm = package.join(OUTPUT_NAME).with_extension("wasm");
    let loader = package.join(split::LOADER);
    let words = optimiser.as_ref().map_or("none", |found| found.version.as_str());
    let stamp = Stamp::of("wasm")?
        .with(&input)
        .with(OPTIMISE.join(" ").as_bytes())
        .with(words.as_bytes())
        .with(OUTPUT_NAME.as_bytes());
    let Some(unmade) = stamp.unless_made(&[&script, &wasm, &loader])? else { return Ok(()) };

    let step = Step::begin("panel: splitting");
    let raw = machine::target_folder()?.join("xtask/split");
    empty(&raw)?;
    let split = split::split(&input, &raw, &format!("{OUTPUT_NAME}.js"))?;
    step.end(&format!("{} parts beside the first", split.parts.len()));

    let step = Step::begin("panel: wasm-bindgen");
    let bound = machine::target_folder()?.join("xtask/bindgen");
    empty(&bound)?;
    bind(&split.main, &bound)?;
    step.end("");

    let mut made = vec![(bound.join(format!("{OUTPUT_NAME}_bg.wasm")), wasm)];
    made.extend(split.parts.into_iter().map(|(part, place)| (part, package.join(place))));
    match &optimiser {
        Some(optimiser) => {
            let step = Step::begin(format!("panel: wasm-opt -Oz ({})", optimiser.version));
            let sizes = made.iter().map(|(from, to)| optimiser.optimise(from, to)).collect::<Result<Vec<String>>>()?;
            step.end(&sizes.join(", "));
        }
        None => {
            println!(
                "    wasm-opt is not here: the panel stays about twice as large (`npm ci` in end2end/ brings one)"
            );
            for (from, to) in &made {
                write_if_changed(to, &fs::read(from)?)?;
            }
        }
    }
    write_if_changed(&loader, &fs::read(&split.loader)?)?;
    let mut ours = copy_scripts(&bound, package)?;
    ours.push(loader);
    ours.extend(made.into_iter().map(|(_, to)| to));
    remove_others(package, &ours)?;
    unmade.made()
}

/// Makes sure that rustc has the standard library for the browser.
pub fn add_target() -> Result<()> {
    let folder =
        Call::new("rustc").args(["--print", "target-libdir", "--target", WASM_TARGET]).cwd(machine::root()).read()?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    let step = Step::begin(format!("rustup: adding {WASM_TARGET}"));
    step.run(Call::new("rustup").args(["target", "add", WASM_TARGET]).cwd(machine::root())).context(
        "the panel needs rustc's standard library for the browser; with rustup it is added by `rustup target add`",
    )?;
    step.end("added");
    Ok(())
}

/// Links with relocations: they tell what refers to what, so that the panel can be split.
fn compile() -> Result<PathBuf> {
    let step = Step::begin("panel: compiling to WebAssembly");
    let call =
        process::cargo().args(["rustc", "-p", "frontend", "--lib", "--crate-type", "cdylib", "--target", WASM_TARGET]);
    step.run(call.args(["--profile", "wasm-release", "--", "-C", "link-arg=--emit-relocs"]))?;
    step.end("");
    Ok(machine::target_folder()?.join(WASM_TARGET).join("wasm-release/frontend.wasm"))
}

/// Empties a folder for what is made now: a stale snippet or part must not be embedded.
fn empty(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        // Only what this module wrote there.
        #[allow(clippy::disallowed_methods, reason = "a folder of our own below target/")]
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn bind(main: &Path, into: &Path) -> Result<()> {
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen
        .input_path(main)
        .out_name(OUTPUT_NAME)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    // The parts find what they share with the first one by its exports.
    bindgen.keep_lld_exports(true).demangle(false);
    bindgen.web(true).and_then(|bindgen| bindgen.generate(into)).map_err(|error| anyhow!("wasm-bindgen: {error:#}"))
}

/// Everything wasm-bindgen wrote but the WebAssembly itself: the script, and snippets if a dependency brings some.
fn copy_scripts(raw: &Path, package: &Path) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for file in super::files_of(raw)?.iter().filter(|file| file.extension().is_some_and(|extension| extension == "js"))
    {
        let copy = package.join(file.strip_prefix(raw)?);
        write_if_changed(&copy, &fs::read(file)?)?;
        scripts.push(copy);
    }
    Ok(scripts)
}

/// Scripts and WebAssembly of earlier builds would be embedded for nothing.
fn remove_others(package: &Path, ours: &[PathBuf]) -> Result<()> {
    for file in super::files_of(package)? {
        if !ours.contains(&file) && file.extension().is_some_and(|extension| extension == "js" || extension == "wasm") {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    Ok(())
}

/// `wasm-opt`, from npm or from the system.
struct Optimiser {
    program: PathBuf,
    version: String,
}

impl Optimiser {
    fn find() -> Option<Optimiser> {
        let ours = machine::root().join("end2end/node_modules/.bin/wasm-opt");
        let program = Some(ours).filter(|file| file.is_file()).or_else(|| machine::find_tool("wasm-opt"))?;
        let version = Call::new(&program).arg("--version").read().ok()?.trim().to_owned();
        Some(Optimiser { program, version })
    }

    fn number(&self) -> u32 {
        self.version.split(|c: char| !c.is_ascii_digit()).find_map(|word| word.parse().ok()).unwrap_or(0)
    }

    /// Writes `to`; gives both sizes.
    fn optimise(&self, from: &Path, to: &Path) -> Result<String> {
        let output = from.with_extension("optimised");
        let mut call = Call::new(&self.program).args(OPTIMISE);
        call = if self.number() < FIRST_BINARYEN_WITH_DEFAULTS {
            call.arg("--all-features")
        } else {
            call.args([
                "--enable-bulk-memory",
                "--enable-nontrapping-float-to-int",
                "--enable-sign-ext",
                "--enable-mutable-globals",
            ])
            .args(["--enable-reference-types", "--enable-multivalue"])
        };
        // Read, not shown: it wonders about names that the splitter gives.
        call.arg(from).arg("-o").arg(&output).read()?;
        let bytes = fs::read(&output)?;
        if !bytes.starts_with(b"\0asm") {
            bail!("wasm-opt wrote no WebAssembly to {}", output.display());
        }
        write_if_changed(to, &bytes)?;
        Ok(format!("{} -> {} kB", fs::metadata(from)?.len() / 1000, bytes.len() / 1000))
    }
}
