//! A question turned round. Pure.

/// The question whose yes is the other one's no, for the plain forms that a small model knows; `None`: it is another form, or it
/// is turned round already.
#[must_use]
pub fn negated(ask: &str) -> Option<String> {
    const FORMS: [(&str, &str); 9] = [
        ("is there someone", "Is there no one"),
        ("is there anyone", "Is there no one"),
        ("is there an ", "Is there no "),
        ("is there a ", "Is there no "),
        ("is there any ", "Is there no "),
        ("are there any ", "Are there no "),
        ("are there ", "Are there no "),
        ("is someone ", "Is no one "),
        ("is anyone ", "Is no one "),
    ];
    let ask = ask.trim();
    if ask.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| ["no", "not", "nobody"].contains(&word)) {
        return None;
    }
    // The forms are ASCII, so what follows them is found at the same place, whatever it is.
    let (_, start, form) = FORMS.iter().find_map(|(form, turned)| {
        let head = ask.get(..form.len())?;
        head.eq_ignore_ascii_case(form).then_some((head, *turned, form.len()))
    })?;
    Some(format!("{start}{}", &ask[form..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_forms_are_turned_round_and_others_left_alone() {
        for (plain, turned) in [
            ("Is there a person?", "Is there no person?"),
            ("is there an open gate", "Is there no open gate"),
            ("Are there any cars?", "Are there no cars?"),
            ("Are there people?", "Are there no people?"),
            ("Is someone running?", "Is no one running?"),
            ("Is there someone at the door?", "Is there no one at the door?"),
        ] {
            assert_eq!(negated(plain).as_deref(), Some(turned), "{plain}");
        }
        for other in ["Is the gate open?", "Is there no car?", "Ist da wer?", "", "日本語"] {
            assert_eq!(negated(other), None, "{other}");
        }
    }
}
