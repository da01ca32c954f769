//! Numbers as people read them.

/// With a comma between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time with three digits that count: `0.912 ms`, `64.3 ms`, `1.27 s`.
pub(super) fn milliseconds(time: f64) -> String {
    match time {
        ..10.0 => format!("{time:.3} ms"),
        ..100.0 => format!("{time:.1} ms"),
        ..1000.0 => format!("{time:.0} ms"),
        _ => format!("{:.2} s", time / 1e3),
    }
}

/// Exact below a mebibyte.
pub(super) fn bytes(number: u64) -> String {
    const MEBIBYTE: u64 = 1 << 20;
    const GIBIBYTE: u64 = 1 << 30;
    let parts = |unit: u64| number as f64 / unit as f64;
    match number {
        0..MEBIBYTE => format!("{} B", count(number)),
        MEBIBYTE..GIBIBYTE => format!("{:.1} MiB", parts(MEBIBYTE)),
        GIBIBYTE.. => format!("{:.1} GiB", parts(GIBIBYTE)),
    }
}

/// How many times as much.
pub(super) fn ratio(ratio: f64) -> String {
    format!("{ratio:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_rounded() {
        let counts = [0, 7, 999, 1000, 11_755, 1_234_567].map(count);
        assert_eq!(counts, ["0", "7", "999", "1,000", "11,755", "1,234,567"]);
        let times = [0.0, 0.9123, 9.87, 64.34, 512.6, 999.4, 1271.0].map(milliseconds);
        let expected =
            ["0.000 ms", "0.912 ms", "9.870 ms", "64.3 ms", "513 ms", "999 ms", "1.27 s"];
        assert_eq!(times, expected);
        let sizes = [128, 1_048_575, 1_048_576, 5_767_168, 8 << 30].map(bytes);
        assert_eq!(sizes, ["128 B", "1,048,575 B", "1.0 MiB", "5.5 MiB", "8.0 GiB"]);
        assert_eq!(ratio(0.4), "0.40");
    }
}
