//! Takes credentials out of texts that others wrote. Pure.

/// `text` without the user information of its addresses and without the values behind a `?`.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, address) = rest.split_at(start + 3);
        out.push_str(before);
        let end = address
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ';' | ')'))
            .unwrap_or(address.len());
        out.push_str(&self::address(&address[..end]));
        rest = &address[end..];
    }
    out.push_str(rest);
    out
}

/// What stands behind `://`. A password may hold a raw `/`, so everything up to the last `@` goes.
fn address(address: &str) -> String {
    let bare = address.rsplit_once('@').map_or(address, |(_, host)| host);
    match bare.split_once('?') {
        Some((path, _)) => format!("{path}?…"),
        None => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        assert_eq!(
            text("cannot open rtsp://viewer:p@ss/w0rd@cam.lan:554/live?token=abc for 'x' (http://10.0.0.1/a)"),
            "cannot open rtsp://cam.lan:554/live?… for 'x' (http://10.0.0.1/a)"
        );
        assert_eq!(text("no address here: a@b?c"), "no address here: a@b?c");
        assert_eq!(text("rtsp://"), "rtsp://");
    }
}
