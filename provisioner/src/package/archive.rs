//! Zip files with one file, `bootstrap`, that depend on nothing but its bytes.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::{Artefact, PackageError};

/// The one file in an archive: what Lambda starts.
const FILE: &str = "bootstrap";
/// Its permissions.
const MODE: u32 = 0o755;

/// Packs a program; the same program gives the same bytes.
pub(super) fn pack(name: &str, program: &Path, out_dir: &Path) -> Result<Artefact, PackageError> {
    let bytes = std::fs::read(program).map_err(PackageError::io("read", program))?;
    let path = out_dir.join(format!("{name}.zip"));
    // Packing takes several times as long as unpacking, and every plan asks for it.
    if let Ok(zip) = std::fs::read(&path)
        && holds(&zip, &bytes)
    {
        return Ok(described(name, &path, &zip));
    }
    let zip = zipped(&bytes).map_err(PackageError::io("make", &path))?;
    std::fs::create_dir_all(out_dir).map_err(PackageError::io("make the folder", out_dir))?;
    // In one step: somebody may be uploading the old one.
    let mut partial = tempfile::NamedTempFile::new_in(out_dir).map_err(PackageError::io("write", out_dir))?;
    partial.write_all(&zip).map_err(PackageError::io("write", &path))?;
    partial.persist(&path).map_err(|error| PackageError::io("write", &path)(error.error))?;
    Ok(described(name, &path, &zip))
}

/// An archive that is there already.
pub(super) fn existing(name: &str, dir: &Path) -> Result<Artefact, PackageError> {
    let path = dir.join(format!("{name}.zip"));
    match std::fs::read(&path) {
        Ok(zip) => Ok(described(name, &path, &zip)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(PackageError::Missing { name: name.to_owned(), dir: dir.to_owned() })
        }
        Err(error) => Err(PackageError::io("read", path)(error)),
    }
}

fn described(name: &str, path: &Path, zip: &[u8]) -> Artefact {
    Artefact {
        name: name.to_owned(),
        path: path.to_owned(),
        sha256_base64: STANDARD.encode(Sha256::digest(zip)),
        bytes: zip.len() as u64,
    }
}

/// Whether an archive is one that [`zipped`] makes of this program.
fn holds(zip: &[u8], program: &[u8]) -> bool {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(zip)) else { return false };
    let one = archive.len() == 1;
    let Ok(mut file) = archive.by_index(0) else { return false };
    let alike = file.name() == FILE
        && file.unix_mode().is_some_and(|mode| mode & 0o777 == MODE)
        && file.size() == program.len() as u64;
    let mut unpacked = Vec::with_capacity(program.len());
    one && alike && file.read_to_end(&mut unpacked).is_ok() && unpacked == program
}

fn zipped(program: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(MODE);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(FILE, options)?;
    writer.write_all(program)?;
    Ok(writer.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_gives_the_same_archive_at_any_time() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("api");
        std::fs::write(&program, b"#!/bin/sh\n".repeat(1000)).unwrap();
        let one = pack("api", &program, &dir.path().join("a")).unwrap();
        std::fs::File::open(&program).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let two = pack("api", &program, &dir.path().join("b")).unwrap();
        assert_eq!((&one.sha256_base64, one.bytes), (&two.sha256_base64, two.bytes));
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&two.path).unwrap()).unwrap();
        let file = archive.by_index(0).unwrap();
        assert_eq!(
            (file.name(), file.unix_mode().unwrap() & 0o777, file.size()),
            ("bootstrap", 0o755, 10_000)
        );
        assert_eq!(existing("api", &dir.path().join("b")).unwrap(), two);
        assert_eq!(existing("worker", dir.path()).unwrap_err().code(), "FH0542");
    }

    #[test]
    fn an_archive_of_another_program_or_a_broken_one_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (program, out) = (dir.path().join("api"), dir.path().join("out"));
        std::fs::write(&program, b"one").unwrap();
        let one = pack("api", &program, &out).unwrap();
        std::fs::write(&program, b"two").unwrap();
        let two = pack("api", &program, &out).unwrap();
        assert_ne!(one.sha256_base64, two.sha256_base64);
        std::fs::write(&two.path, b"PK no zip").unwrap();
        assert_eq!(pack("api", &program, &out).unwrap(), two);
        assert_eq!(existing("api", &out).unwrap(), two);
    }
}
