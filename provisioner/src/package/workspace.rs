//! Where the functions' source is.

use std::path::{Path, PathBuf};

use super::PackageError;

/// The workspace that has the member `lambdas`, from a folder upwards.
///
/// # Errors
/// When there is none.
pub fn find(from: &Path) -> Result<PathBuf, PackageError> {
    let from = std::path::absolute(from).unwrap_or_else(|_| from.to_owned());
    let found = from.ancestors().find(|dir| is_workspace(dir)).map(Path::to_owned);
    found.ok_or(PackageError::NoWorkspace { from })
}

fn is_workspace(dir: &Path) -> bool {
    // Not a reading of TOML: a file that has both is what we look for.
    let manifest = std::fs::read_to_string(dir.join("Cargo.toml")).unwrap_or_default();
    manifest.contains("[workspace]")
        && manifest.contains("\"lambdas\"")
        && dir.join("lambdas/Cargo.toml").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_from_anywhere_inside() {
        let inside = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/package");
        assert!(find(&inside).unwrap().join("lambdas/src").is_dir());
        let error = find(tempfile::tempdir().unwrap().path()).unwrap_err();
        assert!(error.code() == "FH0540" && error.to_string().contains("FREEHOLD_FUNCTIONS_DIR"));
    }
}
