//! Makes the pages of `docs/errors` part of the program, for `provision explain`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let dir = root.join("../docs/errors").canonicalize()?;
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(&dir)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    let mut table =
        String::from("/// The error pages by their codes.\npub(super) const PAGES: &[(&str, &str)] = &[\n");
    for page in &pages {
        let Some(code) =
            page.file_stem().and_then(|stem| stem.to_str()).filter(|stem| stem.starts_with("FH"))
        else {
            continue;
        };
        writeln!(table, "    ({code:?}, include_str!({page:?})),")?;
    }
    table.push_str("];\n");
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("error_pages.rs"), table)?;
    // A directory's time changes when a page comes or goes; changed pages are seen through `include_str!`.
    println!("cargo::rerun-if-changed={}", dir.display());
    Ok(())
}
