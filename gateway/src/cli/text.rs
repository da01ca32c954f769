//! Text on a terminal.

/// The text without what could move a terminal's cursor or turn the reading direction.
pub(super) fn plain(text: &str) -> String {
    let shown = |sign: char| {
        let turns = matches!(sign,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if sign.is_control() || turns { char::REPLACEMENT_CHARACTER } else { sign }
    };
    text.chars().map(shown).collect()
}

/// As a shell takes it for one argument.
pub(super) fn quoted(text: &str) -> String {
    let text = plain(text);
    shlex::try_quote(&text).expect("NUL is a control character, and none is left").into_owned()
}

/// RFC 3339, UTC; beyond the calendar, the seconds.
pub(super) fn time(seconds: u64) -> String {
    let instant = i64::try_from(seconds).ok().and_then(|it| jiff::Timestamp::from_second(it).ok());
    instant.map_or_else(|| format!("{seconds} seconds after 1970"), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rfc_3339_in_utc() {
        assert_eq!(time(1_735_646_400), "2024-12-31T12:00:00Z");
        assert_eq!(time(u64::MAX), "18446744073709551615 seconds after 1970");
    }

    #[test]
    fn text_from_outside_cannot_move_the_cursor_or_turn_the_line() {
        assert_eq!(plain("Wohnungsamt Zürich \"a\""), "Wohnungsamt Zürich \"a\"");
        for bad in ["\u{1b}[2J", "\r", "\n", "\u{202e}", "\u{2066}", "\u{200b}", "\u{9b}", "\u{7}"]
        {
            let shown = plain(bad);
            assert!(shown.starts_with(char::REPLACEMENT_CHARACTER), "{bad:?}");
            assert_eq!(shown.chars().count(), bad.chars().count());
        }
    }
}
