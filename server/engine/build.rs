//! A new file of the schema is compiled in.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
