//! Whether a JPEG is all there. Its decoder fills what is missing with grey and does not tell.

use std::io::{self, BufRead, Read};

/// Whether the picture's end marker (EOI) comes, walking from marker to marker as ITU-T T.81, annex B lays them out. A
/// thumbnail within a segment is passed over with it, and what follows the end does not matter.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn is_whole(mut file: impl BufRead) -> io::Result<bool> {
    const END: u8 = 0xd9;
    while let Some(marker) = next_marker(&mut file)? {
        match marker {
            END => return Ok(true),
            // The start of the picture and TEM stand alone; every other one has a segment.
            0xd8 | 0x01 => {}
            _ => {
                if !pass_segment(&mut file)? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(false)
}

/// The next marker's code; `None` at the end of the file. Within pixels 0xff is followed by 0, or by a restart marker.
fn next_marker(file: &mut impl BufRead) -> io::Result<Option<u8>> {
    let mut after_ff = false;
    for byte in file.bytes() {
        match byte? {
            0xff => after_ff = true,
            code if after_ff && code != 0 && !(0xd0..=0xd7).contains(&code) => return Ok(Some(code)),
            _ => after_ff = false,
        }
    }
    Ok(None)
}

/// Whether the segment was there as long as it says.
fn pass_segment(file: &mut impl BufRead) -> io::Result<bool> {
    let mut length = [0; 2];
    match file.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    // The length counts its own two bytes.
    let rest = u64::from(u16::from_be_bytes(length)).saturating_sub(2);
    Ok(io::copy(&mut file.take(rest), &mut io::sink())? == rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THUMBNAIL: [u8; 12] = [0xff, 0xe1, 0, 10, 0xff, 0xd8, 0xff, 0xda, 0xff, 0xd9, 0, 0];
    const SCAN: [u8; 9] = [0xff, 0xda, 0, 3, 0, 0x12, 0xff, 0x00, 0xff];

    fn picture(parts: &[&[u8]]) -> bool {
        let bytes = [&[0xff, 0xd8], parts.concat().as_slice()].concat();
        is_whole(bytes.as_slice()).unwrap()
    }

    #[test]
    fn the_end_of_the_picture_counts_and_not_that_of_its_thumbnail() {
        assert!(picture(&[&THUMBNAIL, &SCAN, &[0xd3, 0x44, 0xff, 0xd9]]));
        assert!(!picture(&[&THUMBNAIL, &SCAN, &[0xd3, 0x44]]));
        assert!(!picture(&[&THUMBNAIL]));
        assert!(!picture(&[&THUMBNAIL[..8]]));
        assert!(!picture(&[&[0xff, 0xe1, 0]]));
    }

    #[test]
    fn several_scans_and_what_is_appended_are_usual() {
        let second = [&[0xda], &SCAN[2..]].concat();
        assert!(picture(&[&SCAN, &second, &[0xd9], b"appended \xff\xda by a phone"]));
        assert!(!picture(&[&SCAN, &second]));
    }
}
