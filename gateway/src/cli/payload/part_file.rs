//! The file in which a document is until all of it is there and compared.
//!
//! What lies there may be of an earlier attempt that a power cut ended: of the right length, and with zeros
//! where the disk was behind. So nothing of it is believed before the whole file has been hashed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crypto::Digest;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;

/// Bytes that are hashed at a time.
const SLICE_BYTES: usize = 256 * 1024;

/// Completes the file, which nobody else can read, with what `download` writes from a place on, and
/// compares all of it with the document's length and SHA-256. A beginning that is not the document's is
/// loaded again, and so is one that nothing is known to compare it with.
pub(super) async fn write(
    part: &Path,
    bytes: u64,
    sha256: Option<Digest>,
    mut download: impl AsyncFnMut(u64, &mut tokio::fs::File) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let writing = || Failure::writing(part);
    let path = part.to_owned();
    let mut file = blocking(move || open(&path)).await.map_err(writing())?;
    let mut there = file.metadata().map_err(writing())?.len();
    if there > bytes {
        let text = format_args!(
            "{}: {there} bytes, the payload has {bytes}: remove the file and try again",
            part.display()
        );
        return Err(Failure::new(Exit::DataErr, text));
    }
    if sha256.is_none() {
        there = 0;
    }
    loop {
        file.set_len(there).and_then(|()| file.seek(SeekFrom::Start(there))).map_err(writing())?;
        let mut target = tokio::fs::File::from_std(file);
        if there < bytes {
            download(there, &mut target).await?;
        }
        target.sync_all().await.map_err(writing())?;
        file = target.into_std().await;
        let (length, found, read);
        (read, length, found) = blocking(move || hash(file)).await.map_err(writing())?;
        file = read;
        if length == bytes && sha256.is_none_or(|expected| expected == found) {
            return Ok(());
        }
        if there == 0 {
            let text = format_args!("{}: not the payload that was checked", part.display());
            return Err(Failure::new(Exit::DataErr, text));
        }
        there = 0;
    }
}

/// Gives the file its name, and has that on the disk.
pub(super) async fn rename(part: &Path, out: &Path) -> Result<(), Failure> {
    let (from, to) = (part.to_owned(), out.to_owned());
    let renamed = blocking(move || {
        std::fs::rename(from, &to)?;
        let folder = to.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.map_or(PathBuf::from("."), Path::to_owned))?.sync_all()
    });
    renamed.await.map_err(Failure::writing(out))
}

/// Opens or makes the file. Not through a link, and not one of somebody else, who could read and change it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Without waiting for the other end, if that should be a pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = flags.bits().try_into().expect("flags of open fit its type");
    options.create(true).truncate(false).read(true).write(true).mode(0o600).custom_flags(flags);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    let refused = |text| Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    if !metadata.is_file() {
        return refused("there is something that is no file");
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return refused("the file is somebody else's");
    }
    if metadata.mode() & 0o077 != 0 || metadata.nlink() != 1 {
        return refused("others can read or change the file; remove it");
    }
    Ok(file)
}

/// The file, its length and its SHA-256.
fn hash(mut file: File) -> io::Result<(File, u64, Digest)> {
    file.rewind()?;
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0, vec![0; SLICE_BYTES]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hash.update(&buffer[..read]);
                length += u64::try_from(read).expect("lengths fit 64 bits");
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((file, length, Digest::from_bytes(hash.finalize().into())))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use tempfile::TempDir;
    use tokio::io::AsyncWriteExt as _;

    const DOCUMENT: &[u8] = b"a document that is longer than what broke off";

    fn private(path: &Path, bytes: &[u8]) {
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// What comes of it, and from where the document was asked for.
    async fn written(part: &Path, sha256: Option<Digest>) -> (Result<(), String>, Vec<u64>) {
        let mut asked = Vec::new();
        let length = DOCUMENT.len() as u64;
        let written = write(part, length, sha256, async |from, file| {
            asked.push(from);
            file.write_all(&DOCUMENT[usize::try_from(from).unwrap()..]).await.unwrap();
            file.flush().await.map_err(Failure::writing(part))
        });
        let written = written.await.map_err(|failure| format!("{failure:?}"));
        (written, asked)
    }

    #[tokio::test]
    async fn what_is_there_is_completed_and_only_the_document_passes() {
        let folder = TempDir::new().unwrap();
        let part = folder.path().join("letter.pdf.part");
        let digest = Some(Digest::of(DOCUMENT));
        let mut zeros = DOCUMENT.to_vec();
        zeros[20..].fill(0);
        let cases: [(&[u8], Option<Digest>, &[u64]); 6] = [
            (b"", digest, &[0]),
            (&DOCUMENT[..7], digest, &[7]),
            (DOCUMENT, digest, &[]),
            (&zeros, digest, &[0]),
            (&zeros[..30], digest, &[30, 0]),
            (&zeros[..30], None, &[0]),
        ];
        for (there, sha256, from) in cases {
            private(&part, there);
            let (outcome, asked) = written(&part, sha256).await;
            assert_eq!((outcome, &*asked), (Ok(()), from));
            assert_eq!(std::fs::read(&part).unwrap(), DOCUMENT);
        }
    }

    #[tokio::test]
    async fn what_is_longer_or_another_document_is_refused() {
        let folder = TempDir::new().unwrap();
        let part = folder.path().join("letter.pdf.part");
        private(&part, &[DOCUMENT, b"x"].concat());
        let (outcome, asked) = written(&part, Some(Digest::of(DOCUMENT))).await;
        assert!(outcome.unwrap_err().contains("remove the file"));
        assert_eq!(asked, [0; 0]);
        std::fs::remove_file(&part).unwrap();
        let (outcome, asked) = written(&part, Some(Digest::of(b"another"))).await;
        assert!(outcome.unwrap_err().contains("not the payload"));
        assert_eq!(asked, [0]);
    }

    #[tokio::test]
    async fn a_link_and_a_file_that_others_can_change_are_not_written_through() {
        let folder = TempDir::new().unwrap();
        let (part, other) = (folder.path().join("letter.pdf.part"), folder.path().join("other"));
        let digest = Some(Digest::of(DOCUMENT));
        private(&other, b"");
        symlink(&other, &part).unwrap();
        assert!(written(&part, digest).await.0.is_err());
        std::fs::remove_file(&part).unwrap();
        std::fs::hard_link(&other, &part).unwrap();
        assert!(written(&part, digest).await.0.is_err());
        std::fs::remove_file(&part).unwrap();
        assert_eq!(std::fs::read(&other).unwrap(), b"");
        private(&part, b"");
        std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(written(&part, digest).await.0.is_err());
        std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(written(&part, digest).await.0, Ok(()));
    }
}
