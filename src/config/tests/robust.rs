//! Nothing that stands in a file ends the program, and whatever is refused is explained.

use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = include_str!("../../../config/eyewitness.toml");

/// Loads or explains; never panics, never refuses without a word.
fn survives(text: &str) {
    if let Err(error) = Config::parse("eyewitness.toml", text, &environment) {
        let ConfigError::Invalid { problems, source_text, .. } = &error else { panic!("{error}") };
        assert!(!problems.is_empty());
        assert_eq!(source_text.text().len(), text.len());
        let report = error.render(false, 80);
        assert!(!report.contains("Failed to read contents"), "{report}");
    }
}

proptest! {
    #[test]
    fn any_text(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn toml_like_text(text in "([a-z]{1,4}|[\\[\\]{}=.,\"'#\\\\\n ]|mqtt|camera|gate|url|masks|\"\"\"|[0-9.eE+-]{1,5}|\\$\\{|://|@|ä){0,60}") {
        survives(&text);
    }

    #[test]
    fn the_example_with_a_slip(at in 0..EXAMPLE.len(), length in 0_usize..40, insert in "(\\PC|\n|\"|\\[|=){0,4}", uncomment: bool) {
        let floor = |at: usize| (0..=at.min(EXAMPLE.len())).rev().find(|&at| EXAMPLE.is_char_boundary(at)).unwrap();
        let (start, end) = (floor(at), floor(at + length));
        let text = format!("{}{insert}{}", &EXAMPLE[..start], &EXAMPLE[end..]);
        survives(&if uncomment { text.replace("\n# ", "\n") } else { text });
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eyewitness.toml");
        std::fs::write(&path, bytes).unwrap();
        if let Err(error) = Config::load(&path, &environment) {
            assert!(!error.render(true, 20).is_empty());
        }
    }
}

#[test]
fn deep_nesting_is_no_danger() {
    survives(&format!("a = {}", "[".repeat(100_000)));
    survives(&format!("a = {}", "{a=".repeat(50_000)));
    survives(&format!("{} = 1", vec!["a"; 50_000].join(".")));
}

#[test]
fn a_large_file_of_nonsense_is_refused_soon_and_briefly() {
    for line in ["a b c\n", "[x\n", "a = ${\n", "\"\"\"\n", "[[camera]]\n", "= = =\n"] {
        survives(&line.repeat((1 << 18) / line.len()));
    }
    let many: String = (0..20_000).map(|i| format!("key{i} = 1\n")).collect();
    let error = Config::parse("x", &many, &environment).unwrap_err();
    assert_eq!(error.to_string(), "100 problems, and 19901 more, in x");
}
