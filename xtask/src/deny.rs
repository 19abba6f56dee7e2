//! What `deny.toml` says of licenses and sources, held against every package in `Cargo.lock`. Tests only.
//!
//! cargo-deny does the same and more, but no registry of packages has a build of it that reads what today's cargo says,
//! and compiling it takes longer than all lints. Whoever has it runs `cargo deny check`. Advisories are left to it:
//! their database is no package, and is not asked here.

use crate::machine;
use crate::process::cargo;
use serde_json::Value;
use spdx::{Expression, Licensee, ParseMode};

fn texts(value: &toml::Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn rules() -> toml::Table {
    std::fs::read_to_string(machine::root().join("deny.toml")).unwrap().parse().unwrap()
}

/// Every package that is built into anything here: name, license, source.
fn packages() -> Vec<(String, String, Option<String>)> {
    let said = cargo().args(["metadata", "--format-version", "1", "--locked"]).read().unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    let text = |package: &Value, key: &str| package[key].as_str().map(str::to_owned);
    let packages = said["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            (text(package, "name").unwrap(), text(package, "license").unwrap_or_default(), text(package, "source"))
        })
        .collect()
}

#[test]
fn every_license_is_one_that_is_allowed() {
    let allowed: Vec<Licensee> =
        texts(&rules()["licenses"]["allow"]).iter().map(|text| Licensee::parse(text).unwrap()).collect();
    let is_allowed = |license: &str| {
        let expression = Expression::parse_mode(license, ParseMode::LAX);
        expression.is_ok_and(|expression| {
            expression.evaluate(|asked| allowed.iter().any(|licensee| licensee.satisfies(asked)))
        })
    };
    assert!(!is_allowed("GPL-3.0-only") && !is_allowed("") && is_allowed("MIT OR GPL-3.0-only"));
    let refused: Vec<_> = packages().into_iter().filter(|(_, license, _)| !is_allowed(license)).collect();
    assert_eq!(refused, [], "allow it in deny.toml, or do without");
}

#[test]
fn every_package_is_ours_or_comes_from_an_allowed_registry() {
    let allowed = texts(&rules()["sources"]["allow-registry"]);
    let is_allowed = |source: &str| {
        source.strip_prefix("registry+").is_some_and(|registry| allowed.iter().any(|one| one == registry))
    };
    let others: Vec<_> = packages()
        .into_iter()
        .filter(|(_, _, source)| source.as_deref().is_some_and(|source| !is_allowed(source)))
        .collect();
    assert_eq!(others, []);
}
