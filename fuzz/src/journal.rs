//! A file of the decision journal, torn or written by somebody else, and what is said about it.

use eyewitness::journal::{Window, explain, read};
use jiff::Timestamp;

use super::files;
use super::input::Input;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let (from, length) = (i64::from(input.u16()), i64::from(input.u16()));
    let at = |second: i64| Timestamp::from_second(1_764_000_000 + second).expect("a time of this century");
    let window = Window { from: at(from), to: at(from + length) };
    let folder = files::folder();
    for (number, part) in input.parts().take(3).enumerate() {
        files::write(folder.path(), &format!("{number:08}.jsonl"), part);
    }
    let read = read(folder.path(), "door", window.from, window.to).expect("the folder is there");
    assert!(read.records.windows(2).all(|pair| pair[0].from() <= pair[1].from()), "records are in order");
    let said = explain(&read.records, window, &|time| time.to_string());
    assert!(said.iter().all(|line| !line.is_empty()));
}
