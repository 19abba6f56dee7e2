//! Lets cargo embed the panel anew when it was built anew: without this, a file that is new in `target/site` would go
//! unnoticed.

fn main() {
    let site = "../target/site";
    // Cargo takes a path that is not there for a change, at every build.
    if let Err(error) = std::fs::create_dir_all(site) {
        println!("cargo:warning=cannot make {site}: {error}");
    }
    println!("cargo:rerun-if-changed={site}");
}
