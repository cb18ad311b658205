//! Tells the program which commit it is built from: `BUILT_FROM` for results, `BUILT_VERSION` for `--version`. Not `RINGMQ_*`:
//! cargo hands them to what it runs, and a broker refuses settings it does not know.

use std::env;
use std::path::Path;

#[path = "build/commit.rs"]
mod commit;

/// What is linked into the binary. A change there builds this crate anew in any case, so watching it costs nothing.
const SOURCES: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "tools/src",
    "tools/build",
    "tuning/knobs.toml",
    "broker",
    "namesrv",
    "net",
    "rt",
    "settings",
    "store",
];

fn main() {
    // Asked when it runs: trees that share a target directory share this program.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo says it to build scripts");
    let tree = Path::new(&manifest).parent().expect("the crate lies in the workspace");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={GIVEN}");
    for source in SOURCES.iter().map(|source| tree.join(source)).filter(|source| source.exists()) {
        println!("cargo:rerun-if-changed={}", source.display());
    }
    for place in commit::watched(tree) {
        println!("cargo:rerun-if-changed={}", place.display());
    }
    let given = env::var(GIVEN).ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| commit::describe(tree, &SOURCES)).unwrap_or_default();
    println!("cargo:rustc-env=BUILT_FROM={commit}");
    let shown = if commit.is_empty() { "unknown commit" } else { &commit };
    println!("cargo:rustc-env=BUILT_VERSION={} ({shown})", env!("CARGO_PKG_VERSION"));
}

/// For who builds from a tarball and knows what is in it; unset, git is asked.
const GIVEN: &str = "RINGMQ_COMMIT";
