//! Whether a WebP is all there. Its decoder takes memory for a chunk as large as the chunk says to be, before it reads it.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// Chunks whose content is read; others are passed over by everybody.
const READ: [&[u8; 4]; 9] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "];

/// Whether every chunk ends within the file, walking from chunk to chunk (RIFF: four letters, a length, padded to even).
///
/// # Errors
/// If the file cannot be read.
pub(super) fn is_whole(mut file: impl Read + Seek) -> io::Result<bool> {
    let length = file.seek(SeekFrom::End(0))?;
    // Behind "RIFF", the length of all, and "WEBP".
    let mut at = file.seek(SeekFrom::Start(12))?;
    let mut header = [0; 8];
    while at + 8 <= length {
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(true),
            read => read?,
        }
        let [name @ .., a, b, c, d] = header;
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        at += 8;
        if at + size > length {
            return Ok(!READ.contains(&&name));
        }
        at = file.seek(SeekFrom::Start(at + size + size % 2))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn file(chunks: &[(&[u8; 4], u32, &[u8])]) -> bool {
        let mut bytes = b"RIFF\xff\xff\xff\xffWEBP".to_vec();
        for (name, size, content) in chunks {
            bytes.extend(*name);
            bytes.extend(size.to_le_bytes());
            bytes.extend(*content);
        }
        is_whole(Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn a_chunk_that_says_to_be_larger_than_the_file_is_noticed() {
        assert!(file(&[(b"VP8X", 3, b"abc\0"), (b"EXIF", 2, b"ab")]));
        assert!(file(&[(b"VP8X", 3, b"abc\0"), (b"EXIF", 1, b"a")]), "the last padding may be missing");
        assert!(!file(&[(b"VP8X", 3, b"abc\0"), (b"EXIF", 1 << 30, b"ab")]));
        assert!(!file(&[(b"VP8 ", 3, b"ab")]));
        assert!(file(&[(b"VP8 ", 2, b"ab"), (b"junk", 1 << 30, b"ab")]), "nobody reads it");
        assert!(file(&[]));
    }
}
