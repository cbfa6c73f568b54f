//! Files read whole, within a bound: what grows, or was named by mistake, must not fill the memory.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// The file's bytes, at most `limit` of them.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`] with words for people if there are more; else what the system says.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {}", shown(limit))));
    }
    Ok(bytes)
}

/// The same for text.
///
/// # Errors
/// Those of [`read`], and [`ErrorKind::InvalidData`] if it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let text = String::from_utf8(read(path, limit)?);
    text.map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

fn shown(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_bound_is_told_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, [b'x'; 1024]).unwrap();
        assert_eq!(read_text(&path, 1024).unwrap().len(), 1024);
        std::fs::write(&path, [b'x'; 1025]).unwrap();
        let error = read(&path, 1024).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::FileTooLarge, "it is larger than 1 KiB"));
        // Without an end.
        assert_eq!(read(Path::new("/dev/zero"), 1 << 20).unwrap_err().to_string(), "it is larger than 1 MiB");
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path, 1024).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
